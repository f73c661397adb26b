-- What the spans of a task are parts of: W3C traceparent; null: it is not traced.
ALTER TABLE tasks ADD COLUMN traceparent text;

/* docs/socket.md from the rows. */
#include "event/event.h"
#include "streamer/inbound.h"

static const char intro[] =
	"# WebSockets\n\n"
	"<!-- Made from streamer/inbound.def and the tables it names; run tools/docs-update to "
	"renew it. -->\n\n"
	"`GET /api/v1/ws` becomes a WebSocket (RFC 6455) on which any number of sessions are "
	"followed and steered. Both sides send JSON objects with a `type`, one in a text "
	"message; binary messages end the connection (1003), and so do messages beyond "
	"`socket.message_max` (1009). Under `permessage-deflate` a client may compress "
	"its messages, and gets the events of one session, the first it follows, compressed.\n\n"
	"A frame of a client may carry a `ref` of its own, at most 64 bytes, which what answers "
	"it carries back: the answer that its type has, else `ack`, or `error`. Frames are "
	"handled one after the other. An `error` has `code` ([errors.md](errors.md)) and "
	"`message`, and `errors` names each field that is not valid and the rule it breaks; "
	"the connection stays. When a client does not take its answers, it is read no further "
	"until it does.\n\n"
	"The connection is pinged every `socket.ping`; of whom nothing is heard for "
	"`socket.silence` is closed. A node that stops sends `drain` and closes with 1012: "
	"connect again, and subscribe after the last event of each session.\n\n"
	"## From the server\n\n"
	"| type | fields | |\n|---|---|---|\n"
	"| `subscribed` | `sessionId`, `after`, `last`, `status` | What follows begins after the "
	"one cursor; the other is where the session was when it was looked at. |\n"
	"| `event` | `sessionId`, `id`, `seq`, `event` | `id` is the cursor to go on from, `seq` "
	"its number, `event` as in [events.md](events.md). |\n"
	"| `event` | `sessionId`, `ahead`, `event` | A copy that comes before its turn, to a "
	"client "
	"with a backlog: it has no cursor, and comes again. |\n"
	"| `cursor` | `sessionId`, `id`, `seq` | Where the client is, after events that its "
	"profile passes over. |\n"
	"| `gap` | `sessionId`, `id`, `seq`, `from`, `to`, `reason` | These events are not to be "
	"had; it goes on after `id`. |\n"
	"| `end` | `sessionId`, `id`, `seq`, `status` | The session has ended and all of it was "
	"sent; it is no longer followed here. |\n"
	"| `unsubscribed` | `sessionId` | |\n"
	"| `presence` | `sessionId`, `users` or `joined` and `left` | Who looks at the session, "
	"each with `user`, `displayName`, `role` and `since`: all of them once, then what "
	"changes. A client that reconnects within seconds has not left. |\n"
	"| `drain` | `retryMs` | This node stops: connect again after that time. |\n"
	"| `pong`, `ack` | | |\n"
	"| `error` | `code`, `message`, `errors`, `sessionId` | |\n";

static const char *const kinds[] = {
	[JSON_STR] = "string",
	[JSON_U64] = "integer",
	[JSON_I64] = "integer",
	[JSON_BOOL] = "boolean",
	[JSON_ENUM] = "one of",
	[JSON_OBJECT] = "object",
	[JSON_ARRAY] = "array",
	[JSON_STRINGS] = "array",
	[JSON_MAP] = "object",
	[JSON_RAW] = "any",
	[JSON_CUSTOM] = "of several kinds",
};

static void add_field(struct buf *out, const struct json_field *field)
{
	buf_addf(out, "| `%s` | %s", field->name, kinds[field->kind]);
	for (size_t i = 0; field->kind == JSON_ENUM && field->names[i] != NULL; i++) {
		buf_addf(out, "%s`%s`", i > 0 ? ", " : " ", field->names[i]);
	}
	if ((field->flags & JSON_REQUIRED) != 0) {
		buf_add_cstr(out, " (required)");
	}
	buf_addf(out, " | %s", field->help != NULL ? field->help : "");
	if (field->alias != NULL) {
		buf_addf(out, "%sAlso spelled `%s`.", field->help != NULL ? " " : "", field->alias);
	}
	buf_add_cstr(out, " |\n");
}

static void add_row(struct buf *out, const struct inbound_row *row)
{
	const struct json_table *table = row->body;

	buf_addf(out, "\n### %s\n\n%s%s\n", row->type, row->help,
	         row->who == INBOUND_PARTICIPANT ? " Not for observers." : "");
	if (table->count > INBOUND_HEAD_FIELDS) {
		buf_add_cstr(out, "\n| Field | | |\n|---|---|---|\n");
	}
	for (size_t i = INBOUND_HEAD_FIELDS; i < table->count; i++) {
		add_field(out, &table->fields[i]);
	}
}

static void add_face(struct buf *out, enum inbound_face face)
{
	const struct inbound_row *row = NULL;

	while ((row = inbound_next(row)) != NULL) {
		if (row->face == face) {
			add_row(out, row);
		}
	}
}

void inbound_document(struct buf *out)
{
	buf_add_cstr(out, intro);
	buf_add_cstr(out, "\n## From the client\n\n"
	                  "A `commandId`, a ULID of the client's own, makes a command safe to "
	                  "repeat: the same id with the same content is done once.\n");
	add_face(out, INBOUND_FOLLOW);
	buf_add_cstr(out,
	             "\n## From the client of a consumer's socket\n\n"
	             "At `/ws/consumer/{id}`, which is one session's. What the server says there "
	             "is in "
	             "[consumer.md](consumer.md).\n");
	add_face(out, INBOUND_CONSUMER);
}

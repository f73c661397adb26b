-- Whose key it is, a person or a program: keys of one owner are one user. Null: nobody is named.
ALTER TABLE api_keys ADD COLUMN owner text CHECK (octet_length(owner) BETWEEN 1 AND 64);

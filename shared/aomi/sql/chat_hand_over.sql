-- params: tenant id, owner, name, another owner (NULL: it stays), title (NULL: it stays), clear the title
-- returns: nothing; no row is affected when there is no such chat
UPDATE chats
SET owner = coalesce($4::text, owner),
    title = CASE WHEN $6::boolean THEN 'New Chat' ELSE coalesce($5::text, title) END,
    is_user_title = NOT $6::boolean AND (is_user_title OR $5::text IS NOT NULL)
WHERE tenant_id = $1::text AND owner = $2::text AND name = $3::text

-- params: tenant id, owner, name; and, where null: it stays: title of the user's, is it archived, memory mode, rig, baml
-- returns: nothing
UPDATE chats
SET title = coalesce($4::text, title), is_user_title = is_user_title OR $4::text IS NOT NULL,
    is_archived = coalesce($5::boolean, is_archived),
    memory_mode = coalesce($6::boolean, memory_mode),
    rig = coalesce($7::text, rig), baml = coalesce($8::text, baml)
WHERE tenant_id = $1::text AND owner = $2::text AND name = $3::text

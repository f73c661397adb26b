-- params: tenant id, sha256
-- returns: id of the content that has these bytes, which stays until the commit
SELECT id FROM upload_contents WHERE tenant_id = $1::text AND sha256 = $2::bytea FOR KEY SHARE

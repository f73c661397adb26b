/* What prompts say of uploads, when they are accepted. */
#include "auth/auth.h"
#include "upload/upload_store.h"

struct upload_filter upload_filter_of(const struct principal *who)
{
	return (struct upload_filter){ .tenant = who->tenant,
		                       .by = who->any_namespace ? NULL : auth_actor(who) };
}

static const char *rule_of(const struct upload *upload, uint64_t *pictures)
{
	if (!upload_is_image(upload->media_type)) {
		return "must be a picture (PNG, JPEG, GIF or WebP); others go as file";
	}
	if (upload->size > UPLOAD_IMAGE_MAX) {
		return "is too large: a picture may have at most 8 MiB";
	}
	*pictures += upload->size;
	return *pictures > UPLOAD_IMAGES_MAX
	               ? "is too much: the pictures of a prompt may have at most 16 MiB"
	               : NULL;
}

enum err_code upload_check(struct pg *pg, const struct upload_filter *filter,
                           const struct json_list *refs, struct arena *arena,
                           struct json_problems *problems, struct err *err)
{
	const struct upload_ref *ref = refs->items;
	enum err_code code = ERR_OK;
	uint64_t pictures = 0;

	for (size_t i = 0; code == ERR_OK && i < refs->count; i++, ref++) {
		const char *rule = NULL;
		struct upload upload;

		code = upload_use(pg, filter, &ref->id, arena, &upload, err);
		if (code == ERR_NOT_FOUND) {
			code = ERR_OK;
			rule = "is no upload that this key may see";
		} else if (code == ERR_OK && ref->image) {
			rule = rule_of(&upload, &pictures);
		}
		if (rule != NULL) {
			json_problem_add(problems, arena, ref->path, "%s", rule);
		}
	}
	return code;
}

#include "user/user.h"

#include "json/write.h"

static const char *const kinds[] = { [USER_PERSON] = "person", [USER_SERVICE] = "service" };

const char *user_kind_name(enum user_kind kind)
{
	return kinds[kind];
}

bool user_name_ok(struct str name)
{
	for (size_t i = 0; i < name.n; i++) {
		if ((unsigned char)name.p[i] < ' ' || name.p[i] == 0x7f) {
			return false;
		}
	}
	return name.n >= 1 && name.n <= USER_NAME_MAX && str_is_utf8(name);
}

bool user_email_parse(struct str text, char ret[USER_EMAIL_MAX + 1])
{
	struct str rest = str_trim(text), all = rest, local = str_split(&rest, '@');
	char made[USER_EMAIL_MAX + 1];

	if (all.n > USER_EMAIL_MAX || local.n == 0 || rest.n == 0 ||
	    memchr(rest.p, '@', rest.n) != NULL || !str_is_utf8(all)) {
		return false;
	}
	for (size_t i = 0; i < all.n; i++) {
		char c = all.p[i];

		if ((unsigned char)c <= ' ' || c == 0x7f) {
			return false;
		}
		made[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
	}
	made[all.n] = '\0';
	memcpy(ret, made, all.n + 1);
	return true;
}

void user_write_namespaces(struct jsonw *w, bool any, struct str list)
{
	jsonw_array(w, "namespaces");
	if (any) {
		jsonw_cstr(w, NULL, "*");
	}
	while (!any && list.n > 0) {
		jsonw_str(w, NULL, str_split(&list, ','));
	}
	jsonw_end_array(w);
}

void user_write(struct jsonw *w, const struct user *user)
{
	jsonw_object(w, NULL);
	jsonw_cstr(w, "id", user->id.s);
	jsonw_cstr(w, "kind", kinds[user->kind]);
	jsonw_str(w, "name", user->name);
	if (user->email.n > 0) {
		jsonw_str(w, "email", user->email);
	} else {
		jsonw_null(w, "email");
	}
	jsonw_cstr(w, "role", auth_role_name(user->role));
	user_write_namespaces(w, user->any_namespace, user->namespaces);
	jsonw_bool(w, "system", user->system);
	jsonw_bool(w, "disabled", user->disabled);
	jsonw_str(w, "home", user->home);
	jsonw_time(w, "createdAt", user->created_us);
	jsonw_time(w, "joinedAt", user->joined_us);
	jsonw_end_object(w);
}

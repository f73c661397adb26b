#include "oidc/member.h"

#include "oidc_sql_gen.h"
#include "user/user_store.h"

enum { FOUND_USER, FOUND_CLOSED, FOUND_ROLE, FOUND_KNOWN };

static const struct text *sql(enum oidc_sql_id id)
{
	return &oidc_sql_texts[id];
}

struct finding {
	struct pg_tx *tx;
	const struct oidc_person *person;
	const char *tenant, *subject;
	bool found, closed, is_member;
	enum auth_role role;
};

static enum err_code look(struct finding *f, struct oidc_member *ret, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	const struct oidc_person *person = f->person;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, person->provider->as.issuer);
	pg_param_cstr(&params, f->subject);
	pg_param_cstr(&params, person->listed ? person->email : NULL);
	pg_param_cstr(&params, f->tenant);
	code = pg_tx_query(f->tx, sql(OIDC_SQL_MEMBER_FIND), &params, &rows, err);
	if (code != ERR_OK || pg_rows_count(rows) == 0) {
		return code;
	}
	f->found = true;
	f->closed = pg_bool(rows, 0, FOUND_CLOSED);
	f->is_member = !pg_is_null(rows, 0, FOUND_ROLE);
	if (!id_parse(pg_str(rows, 0, FOUND_USER), &ret->user) ||
	    (f->is_member && !auth_role_parse(pg_str(rows, 0, FOUND_ROLE), &f->role))) {
		return err_set(err, ERR_INTERNAL, "a user row does not decode");
	}
	return ERR_OK;
}

static enum err_code make(const struct finding *f, struct oidc_member *ret, struct err *err)
{
	const struct oidc_person *person = f->person;
	const struct user_new user = { .id = id_new(),
		                       .kind = USER_PERSON,
		                       .name = person->name.p,
		                       .email = person->email[0] != '\0' ? person->email : NULL };
	enum err_code code = user_insert(f->tx, f->tenant, &user, err);

	ret->user = user.id;
	ret->made = code == ERR_OK;
	return code == ERR_CONFLICT
	               ? err_set(err, code,
	                         "somebody here has your address already, and this provider "
	                         "does not speak for it: an administrator has to name it in "
	                         "the provider's emails or domains")
	               : code;
}

/* Roles of groups are the provider's to say, each time anew; a role for everybody is only where
 * they begin. */
static enum err_code stand(const struct finding *f, struct oidc_member *ret, struct err *err)
{
	const struct oidc_person *person = f->person;
	struct user_standing as = { .role = person->role };
	struct pg_params params = { 0 };

	if (!f->is_member) {
		return user_join(f->tx, f->tenant, &ret->user, &as, err);
	}
	if (person->provider->roles.count == 0 || person->role == f->role) {
		return ERR_OK;
	}
	ret->changed = true;
	pg_param_cstr(&params, f->tenant);
	pg_param_cstr(&params, ret->user.s);
	pg_param_cstr(&params, auth_role_name(person->role));
	return pg_tx_query(f->tx, sql(OIDC_SQL_MEMBER_ROLE), &params, NULL, err);
}

/* Somebody else may have come by the same name meanwhile, as another user: then this one is nobody.
 */
static enum err_code note(const struct finding *f, const struct oidc_member *member,
                          struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, f->person->provider->as.issuer);
	pg_param_cstr(&params, f->subject);
	pg_param_cstr(&params, member->user.s);
	pg_param_cstr(&params, f->person->provider->name);
	code = pg_tx_query(f->tx, sql(OIDC_SQL_MEMBER_NOTE), &params, &rows, err);
	return code == ERR_OK && pg_rows_affected(rows) == 0
	               ? err_set(err, ERR_CONFLICT, "you logged in twice at once: try again")
	               : code;
}

static enum err_code find(struct finding *f, struct oidc_member *ret, struct err *err)
{
	enum err_code code = look(f, ret, err);

	if (code != ERR_OK) {
		return code;
	}
	if (f->closed) {
		return err_set(err, ERR_FORBIDDEN, "you may not log in (any more)");
	}
	if (!f->is_member && !f->person->has_role) {
		return err_set(err, ERR_FORBIDDEN,
		               "you are no member here: an administrator has to make you one");
	}
	if (!f->found) {
		code = make(f, ret, err);
	}
	if (code == ERR_OK) {
		code = stand(f, ret, err);
	}
	return code == ERR_OK ? note(f, ret, err) : code;
}

enum err_code oidc_member_find(struct pg *pg, const struct oidc_person *person,
                               struct oidc_member *ret, struct err *err)
{
	CLEANUP(pg_tx_cleanup) struct pg_tx *tx = NULL;
	struct finding finding = { .person = person,
		                   .tenant = person->tenant.p,
		                   .subject = person->subject.p };
	enum err_code code = pg_begin(pg, "", &tx, err);

	*ret = (struct oidc_member){ .made = false };
	finding.tx = tx;
	if (code == ERR_OK) {
		code = find(&finding, ret, err);
	}
	if (code == ERR_OK) {
		code = pg_commit(tx, err);
		tx = NULL;
	}
	return code;
}

enum err_code oidc_member_provider(struct pg *pg, const struct id *user, struct arena *arena,
                                   struct str *ret, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, user->s);
	code = pg_query(pg, "", sql(OIDC_SQL_MEMBER_PROVIDER), &params, &rows, err);
	if (code == ERR_OK) {
		*ret = pg_rows_count(rows) > 0 ? arena_str(arena, pg_str(rows, 0, 0)) : STR_LIT("");
	}
	return code;
}

/* `fairlead admin setup-pin` and `fairlead admin password-code`: how people get in when nobody who
 * is in can help. */
#include <stdio.h>

#include "cli/admin.h"
#include "login/password.h"
#include "login/setup.h"
#include "user/user.h"

enum { HOUR_S = 3600 };

static int tell(struct call *call, const char *member, const char *secret, int hours)
{
	struct admin_answer answer;

	if (!call_has(call, OPTION_JSON)) {
		(void)printf("%s\n", secret);
		return EXIT_DONE;
	}
	admin_begin(&answer);
	jsonw_object(&answer.w, NULL);
	jsonw_cstr(&answer.w, member, secret);
	if (call->word_count > 0) {
		jsonw_cstr(&answer.w, "path",
		           arena_printf(admin_arena(call), "/#password=%s", secret));
	}
	jsonw_i64(&answer.w, "hours", hours);
	jsonw_end_object(&answer.w);
	return admin_end(call, &answer, NULL, 0);
}

static int run_setup_pin(struct call *call)
{
	char pin[SETUP_PIN_LEN + 1];
	struct cred_pepper secret;
	bool made = false;
	struct err err;

	if (admin_pepper(call, &secret, &err) != ERR_OK ||
	    setup_make(admin_local(call)->pg, &secret, true, pin, &made, &err) != ERR_OK) {
		return admin_fail(&err);
	}
	if (!made) {
		(void)fprintf(stderr, "fairlead: there is an administrator already; see: fairlead "
		                      "admin password-code\n");
		return EXIT_FAILED;
	}
	return admin_settle(call, "setup", "pin", &err) == ERR_OK
	               ? tell(call, "pin", pin, SETUP_LIFE_S / HOUR_S)
	               : admin_fail(&err);
}

static enum err_code make_code(struct call *call, char code[PASSWORD_CODE_LEN + 1], struct err *err)
{
	struct password_code_new wanted = { .tenant = admin_tenant_of(call),
		                            .by = admin_actor(),
		                            .any = true };
	struct pg *pg = admin_local(call)->pg;
	char email[USER_EMAIL_MAX + 1];
	struct password_row row;
	struct cred_pepper secret;
	int64_t ends_us;
	enum err_code made;

	if (!user_email_parse(str_of(call->words[0]), email)) {
		return err_set(err, ERR_INVALID, "\"%s\" is no address", call->words[0]);
	}
	if ((made = admin_pepper(call, &secret, err)) != ERR_OK ||
	    (made = password_find(pg, email, &row, err)) != ERR_OK) {
		return made;
	}
	wanted.user = &row.user;
	made = password_code_create(pg, &secret, &wanted, code, &ends_us, err);
	if (made == ERR_FORBIDDEN) {
		return err_set(err, made, "%s is no member of %s, or disabled", email,
		               wanted.tenant);
	}
	return made == ERR_OK ? admin_settle(call, "user", row.user.s, err) : made;
}

static int run_password_code(struct call *call)
{
	char code[PASSWORD_CODE_LEN + 1];
	struct err err;

	return make_code(call, code, &err) == ERR_OK
	               ? tell(call, "code", code, PASSWORD_CODE_S / HOUR_S)
	               : admin_fail(&err);
}

static const struct verb verbs[] = {
	{ "setup-pin",
	  NULL,
	  0,
	  0,
	  run_setup_pin,
	  "Print a new PIN, with which the first administrator is made.",
	  { OPTION_JSON } },
	{ "password-code",
	  "EMAIL",
	  1,
	  1,
	  run_password_code,
	  "Print a code with which a person, a member of the tenant, sets a password once.",
	  { OPTION_TENANT, OPTION_JSON } },
};

const struct verb_group admin_setup = {
	.command = "admin",
	.verbs = verbs,
	.count = ARRAY_LEN(verbs),
	.around = admin_around,
	.notes = "setup-pin is for the page at / and POST /api/v1/setup; the PIN before counts no "
		 "more.\n",
};

#include "cli/admin_setup.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/local.h"
#include "login/password.h"
#include "login/setup.h"
#include "tenant/tenant_store.h"
#include "user/user.h"

enum { HOUR_S = 3600 };

struct setup_options {
	const char *email, *tenant;
	bool json;
};

static const char setup_usage[] =
	"usage: fairlead admin setup-pin [--json]\n"
	"       fairlead admin password-code EMAIL [--tenant T] [--json]\n"
	"\n"
	"setup-pin prints a new PIN, with which the first administrator is made on the page at / "
	"or by\n"
	"POST /api/v1/setup; the one before counts no more. password-code prints a code with which "
	"the\n"
	"person, a member of the tenant, sets a password once.\n";

static int fail(const struct err *err)
{
	(void)fprintf(stderr, "fairlead: %s\n", err->msg);
	return EXIT_FAILED;
}

/* False: a sentence was printed. */
static bool take_secret(const struct local *local, struct cred_pepper *ret)
{
	if (local->pepper[0] == '\0') {
		(void)fprintf(stderr, "fairlead: there is no pepper; set FAIRLEAD_PEPPER_FILE\n");
		return false;
	}
	*ret = cred_pepper_from(str_of(local->pepper));
	return true;
}

static int run_setup_pin(struct local *local)
{
	const struct setup_options *o = local->arg;
	char pin[SETUP_PIN_LEN + 1];
	struct cred_pepper secret;
	bool made = false;
	struct err err;

	if (!take_secret(local, &secret)) {
		return EXIT_FAILED;
	}
	if (setup_make(local->pg, &secret, true, pin, &made, &err) != ERR_OK) {
		return fail(&err);
	}
	if (!made) {
		(void)fprintf(stderr, "fairlead: there is an administrator already; see: fairlead "
		                      "admin password-code\n");
		return EXIT_FAILED;
	}
	if (o->json) {
		(void)printf("{\"pin\":\"%s\",\"hours\":%d}\n", pin, SETUP_LIFE_S / HOUR_S);
	} else {
		(void)printf("%s\n", pin);
	}
	return EXIT_DONE;
}

static enum err_code make_code(struct local *local, const struct cred_pepper *secret,
                               char code[PASSWORD_CODE_LEN + 1], struct err *err)
{
	const struct setup_options *o = local->arg;
	struct password_code_new wanted = { .tenant = o->tenant, .by = "host", .any = true };
	char email[USER_EMAIL_MAX + 1];
	struct password_row row;
	int64_t ends_us;

	if (!user_email_parse(str_of(o->email), email)) {
		return err_set(err, ERR_INVALID, "\"%s\" is no address", o->email);
	}
	if (password_find(local->pg, email, &row, err) != ERR_OK) {
		return err->code;
	}
	wanted.user = &row.user;
	if (password_code_create(local->pg, secret, &wanted, code, &ends_us, err) ==
	    ERR_FORBIDDEN) {
		return err_set(err, ERR_FORBIDDEN, "%s is no member of %s, or disabled", email,
		               o->tenant);
	}
	return err->code;
}

static int run_password_code(struct local *local)
{
	const struct setup_options *o = local->arg;
	char code[PASSWORD_CODE_LEN + 1];
	struct err err = { .code = ERR_OK };
	struct cred_pepper secret;

	if (!take_secret(local, &secret)) {
		return EXIT_FAILED;
	}
	if (make_code(local, &secret, code, &err) != ERR_OK) {
		return fail(&err);
	}
	if (o->json) {
		(void)printf("{\"code\":\"%s\",\"path\":\"/#password=%s\",\"hours\":%d}\n", code,
		             code, PASSWORD_CODE_S / HOUR_S);
	} else {
		(void)printf("%s\n", code);
	}
	return EXIT_DONE;
}

/* argv[1] is the verb; words: how many follow it. */
static int run(int argc, char **argv, int words, int (*fn)(struct local *local))
{
	static const struct option known[] = {
		{ "tenant", required_argument, NULL, 't' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct setup_options o = { .tenant = TENANT_DEFAULT };
	int c;

	argv[1] = argv[0];
	while ((c = getopt_long(argc - 1, argv + 1, "", known, NULL)) != -1) {
		switch (c) {
		case 't': o.tenant = optarg; break;
		case 'j': o.json = true; break;
		case 'h': (void)fputs(setup_usage, stdout); return EXIT_DONE;
		default: return EXIT_USAGE;
		}
	}
	if (argc - 1 - optind != words) {
		(void)fputs(setup_usage, stderr);
		return EXIT_USAGE;
	}
	o.email = argv[1 + optind];
	return local_run(fn, &o);
}

int admin_setup_pin(int argc, char **argv)
{
	return run(argc, argv, 0, run_setup_pin);
}

int admin_password_code(int argc, char **argv)
{
	return run(argc, argv, 1, run_password_code);
}

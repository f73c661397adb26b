/* `fairlead migrate`: bring the database schema up to date; safe to run on several hosts at once.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "cli/command.h"
#include "cli/home.h"
#include "cli/local.h"
#include "loop/fiber.h"
#include "pg/pg.h"
#include "pg/schema.h"

const char migrate_usage[] =
	"usage: fairlead migrate\n"
	"\n"
	"Applies the migrations that the database at FAIRLEAD_PG_URL (or in the file that\n"
	"FAIRLEAD_PG_URL_FILE names; without both: the one that `fairlead up` runs here) does not\n"
	"have yet. What nodes of the former version could not live with waits until they are "
	"gone.\n";

static int migrate(struct local *local)
{
	struct pg_waits waits;
	unsigned applied = 0;
	struct err err;

	if (pg_migrate(local->pg, &pg_schema, &applied, &err) != ERR_OK) {
		(void)fprintf(stderr, "fairlead: %s\n", err.msg);
		return EXIT_FAILED;
	}
	(void)printf("%u applied, %zu in all\n", applied, pg_schema.count);
	if (pg_migrate_waits(local->pg, &pg_schema, &waits, &err) != ERR_OK) {
		(void)fprintf(stderr, "fairlead: %s\n", err.msg);
		return EXIT_FAILED;
	}
	if (waits.name != NULL) {
		(void)printf("%s waits until %llu nodes that speak less than protocol %u are gone; "
		             "then run this again\n",
		             waits.name, (unsigned long long)waits.nodes, waits.protocol);
	}
	return EXIT_DONE;
}

int command_migrate(int argc, char **argv)
{
	if (argc > 1) {
		bool help = strcmp(argv[1], "--help") == 0;

		(void)fputs(migrate_usage, help ? stdout : stderr);
		return help ? EXIT_DONE : EXIT_USAGE;
	}
	return local_run(migrate, NULL);
}

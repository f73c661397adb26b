/* fairlead: client, operator and supervisor in one program. */
#include <stdio.h>
#include <string.h>

#include "base/attr.h"
#include "cli/command.h"

static const struct {
	const char *name;
	command_fn *run;
	const char *summary;
} commands[] = {
	{ "up", command_up, "run the whole system on this machine" },
	{ "down", command_down, "stop it" },
	{ "status", command_status, "show what runs on this machine" },
	{ "health", command_health, "ask a node of this host whether it is well" },
	{ "migrate", command_migrate, "bring the database schema up to date" },
	{ "login", command_login, "log in at a server, or remember a key for it" },
	{ "logout", command_logout, "end that, and forget it" },
	{ "whoami", command_whoami, "show who the server takes you for" },
	{ "task", command_task, "submit work and follow it" },
	{ "session", command_session, "list, show, watch and steer sessions" },
	{ "approvals", command_approvals, "list what agents ask people" },
	{ "approve", command_approve, "allow what an agent asks" },
	{ "deny", command_deny, "deny it" },
	{ "secret", command_secret, "credentials that agents get by name" },
	{ "approval", command_approval, "the same, and the rules that answer for people" },
	{ "agent", command_agent, "for agents: ask, wait, note, progress" },
	{ "schedule", command_schedule, "tasks that are made again and again, or later" },
	{ "top", command_top, "nodes, workers, queue and failures, live" },
	{ "worker", command_worker, "list workers, and give them no more sessions" },
	{ "breaker", command_breaker, "agents that are not started because too many failed" },
	{ "webhook", command_webhook, "servers that are told what happens" },
	{ "budget", command_budget, "what tenants, projects and users may use" },
	{ "upload", command_upload, "upload files for prompts" },
	{ "usage", command_usage, "show what was used, and what it cost" },
	{ "admin", command_admin, "keys and other operator work" },
	{ "completion", command_completion, "print shell completion" },
};

static int usage(FILE *to, int status)
{
	(void)fprintf(to, "usage: fairlead COMMAND [...]\n\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		(void)fprintf(to, "  %-12s %s\n", commands[i].name, commands[i].summary);
	}
	(void)fprintf(to, "\nfairlead COMMAND --help says more; fairlead --version.\n");
	return status;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		return usage(stderr, EXIT_USAGE);
	}
	if (strcmp(argv[1], "--version") == 0) {
		(void)printf("fairlead %s\n", FAIRLEAD_VERSION);
		return EXIT_DONE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
		return usage(stdout, EXIT_DONE);
	}
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (strcmp(argv[1], commands[i].name) == 0) {
			/* getopt's messages begin with argv[0]. */
			static char name[32];

			(void)snprintf(name, sizeof(name), "fairlead %s", commands[i].name);
			argv[1] = name;
			return commands[i].run(argc - 1, argv + 1);
		}
	}
	(void)fprintf(stderr, "fairlead: there is no command \"%s\"\n\n", argv[1]);
	return usage(stderr, EXIT_USAGE);
}

/*
 * The commands of `fairlead`, one row each in cli/main.c.  argv[0] is "fairlead" and
 * the command's name.  The return value is the exit status: 0 done, 1 failed, 2 wrong usage.
 */
#pragma once

typedef int(command_fn)(int argc, char **argv);

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

command_fn command_up, command_down, command_status, command_health, command_migrate;
command_fn command_login, command_logout, command_whoami, command_task, command_session,
	command_admin, command_completion;
command_fn command_secret, command_approval, command_approvals, command_approve, command_deny;
command_fn command_agent, command_schedule, command_worker, command_usage, command_breaker,
	command_budget, command_webhook, command_upload, command_top;

/* What those commands say of themselves that are no tables of cli/verb.h; also for docs/cli.md. */
extern const char up_usage[], status_usage[], health_usage[], migrate_usage[], task_usage[],
	schedule_usage[], completion_usage[];

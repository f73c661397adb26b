/* fairlead-guard: runs one command for fairlead-worker; see guard.h. Not meant to be run by hand.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "guard/guard.h"
#include "guard/inside.h"
#include "guard/protocol.h"

enum option_id {
	OPTION_CONTROL = 1,
	OPTION_ENV,
	OPTION_DEADLINE,
	OPTION_ORPHAN,
	OPTION_GRACE,
	OPTION_NPROC,
	OPTION_NOFILE,
	OPTION_UID,
	OPTION_GID,
	OPTION_CGROUP,
	OPTION_CWD,
	OPTION_PTY,
	OPTION_WRAPPED,
};

static const struct option options_known[] = {
	{ "control", required_argument, NULL, OPTION_CONTROL },
	{ "env", required_argument, NULL, OPTION_ENV },
	{ "deadline", required_argument, NULL, OPTION_DEADLINE },
	{ "orphan", required_argument, NULL, OPTION_ORPHAN },
	{ "grace", required_argument, NULL, OPTION_GRACE },
	{ "nproc", required_argument, NULL, OPTION_NPROC },
	{ "nofile", required_argument, NULL, OPTION_NOFILE },
	{ "uid", required_argument, NULL, OPTION_UID },
	{ "gid", required_argument, NULL, OPTION_GID },
	{ "cgroup", required_argument, NULL, OPTION_CGROUP },
	{ "cwd", required_argument, NULL, OPTION_CWD },
	{ "pty", no_argument, NULL, OPTION_PTY },
	{ "wrapped", no_argument, NULL, OPTION_WRAPPED },
	{ NULL, 0, NULL, 0 },
};

static bool set_number(struct guard_options *options, int id, uint64_t value)
{
	switch (id) {
	case OPTION_CONTROL: options->control_fd = (int)value; return value < INT32_MAX;
	case OPTION_ENV: options->env_fd = (int)value; return value < INT32_MAX;
	case OPTION_DEADLINE: options->deadline_ms = value; return true;
	case OPTION_ORPHAN: options->orphan_ms = value; return true;
	case OPTION_GRACE: options->grace_ms = value; return true;
	case OPTION_NPROC: options->nproc_max = value; return true;
	case OPTION_NOFILE: options->nofile_max = value; return true;
	case OPTION_UID: options->uid = (uid_t)value; return value < UINT32_MAX;
	case OPTION_GID: options->gid = (gid_t)value; return value < UINT32_MAX;
	default: return false;
	}
}

static bool parse_options(int argc, char **argv, struct guard_options *options)
{
	bool uid = false, gid = false;
	uint64_t value;
	int id;

	while ((id = getopt_long(argc, argv, "+", options_known, NULL)) != -1) {
		if (id == OPTION_CWD) {
			options->cwd = optarg;
		} else if (id == OPTION_CGROUP) {
			options->cgroup = optarg;
		} else if (id == OPTION_PTY) {
			options->pty = true;
		} else if (id == OPTION_WRAPPED) {
			options->wrapped = true;
		} else if (id == '?' || !parse_u64(str_of(optarg), INT64_MAX, &value) ||
		           !set_number(options, id, value)) {
			return false;
		}
		uid = uid || id == OPTION_UID;
		gid = gid || id == OPTION_GID;
	}
	options->argv = argv + optind;
	options->drop = uid;
	return uid == gid && optind < argc && options->control_fd > STDERR_FILENO &&
	       options->env_fd > STDERR_FILENO;
}

int main(int argc, char **argv)
{
	struct guard_options options = {
		.control_fd = -1, .env_fd = -1, .orphan_ms = 60000, .grace_ms = 10000, .cwd = "/"
	};

	if (argc > 1 && strcmp(argv[1], "inside") == 0) {
		return inside_main(argc - 1, argv + 1);
	}
	if (!parse_options(argc, argv, &options)) {
		(void)fprintf(stderr, "fairlead-guard runs one command for fairlead-worker:\n"
		                      "  --control FD --env FD [--deadline MS] [--orphan MS] "
		                      "[--grace MS] [--nproc N] [--nofile N]\n"
		                      "  [--uid N --gid N] [--cgroup DIR] [--cwd DIR] "
		                      "[--pty] [--wrapped] -- COMMAND [ARG]...\n");
		return GUARD_EXIT_USAGE;
	}
	return guard_run(&options);
}

/* Cgroups of sessions on a file system of our own, where each file keeps what was written to it.
 * What only a kernel does (freezing, killing) is in tests/fault/test_guard.c. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/support/test.h"
#include "worker/cgroup.h"

enum { PATH_SIZE = 512, TEXT_SIZE = 256, FOLDERS_OPEN = 8 };

#define MOUNTS                                                                                     \
	"22 1 0:21 / /proc rw - proc proc rw\n"                                                    \
	"30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"

static char root[] = "/tmp/fairlead-cgroup-XXXXXX";
static struct id sid;

static const char *in_root(const char *path)
{
	static char full[PATH_SIZE];

	(void)snprintf(full, sizeof(full), "%s/%s", root, path);
	return full;
}

static void put(const char *path, const char *text)
{
	char part[PATH_SIZE];
	FILE *file;

	for (const char *at = strchr(path, '/'); at != NULL; at = strchr(at + 1, '/')) {
		(void)snprintf(part, sizeof(part), "%.*s", (int)(at - path), path);
		(void)mkdir(in_root(part), 0755);
	}
	file = fopen(in_root(path), "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void holds(const char *path, const char *wanted)
{
	char text[TEXT_SIZE] = "";
	FILE *file = fopen(in_root(path), "re");

	assert_non_null(file);
	(void)!fread(text, 1, sizeof(text) - 1, file);
	assert_int_equal(fclose(file), 0);
	assert_string_equal(text, wanted);
}

static int forget(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

/* A worker's folder below that of its unit, as a kernel would have it filled. */
static void put_tree(const char *folder, const char *controllers)
{
	static const struct {
		const char *name, *text;
	} files[] = { { "cgroup.subtree_control", "" },
		      { "cgroup.type", "domain\n" },
		      { "fairlead-w1/cgroup.subtree_control", "" },
		      { "fairlead-w1/worker/cgroup.procs", "" } };
	char path[PATH_SIZE];

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", folder, files[i].name);
		put(path, files[i].text);
	}
	(void)snprintf(path, sizeof(path), "%s/cgroup.controllers", folder);
	put(path, controllers);
}

static int set_up(void **state)
{
	(void)state;
	memcpy(root, "/tmp/fairlead-cgroup-XXXXXX", sizeof(root));
	sid = id_new();
	return mkdtemp(root) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	return nftw(root, forget, FOLDERS_OPEN, FTW_DEPTH | FTW_PHYS);
}

/* ---- where ---- */

static void where_there_is_none_the_reason_is_told(void **state)
{
	struct cgroup_home home;
	struct err err;

	(void)state;
	assert_int_equal(cgroup_open(root, "none", "w1", &home, &err), ERR_OK);
	assert_string_equal(home.path, "");
	assert_string_equal(home.why, "worker.cgroup is none");
	assert_int_equal(cgroup_open(root, "auto", "w1", &home, &err), ERR_OK);
	assert_string_equal(home.path, "");
	assert_string_equal(home.why, "no cgroups of version 2");
	put("proc/self/cgroup", "4:memory:/a\n1:name=systemd:/b\n"); /* version 1 only */
	put("proc/self/mountinfo", MOUNTS);
	assert_int_equal(cgroup_open(root, "auto", "w1", &home, &err), ERR_OK);
	assert_string_equal(home.why, "no cgroups of version 2");
}

static void a_whole_host_is_not_ours(void **state)
{
	struct cgroup_home home;
	struct err err;

	(void)state;
	put("proc/self/cgroup", "0::/\n");
	put("proc/self/mountinfo", MOUNTS);
	put_tree("sys/fs/cgroup", "cpu memory pids\n");
	assert_int_equal(unlink(in_root("sys/fs/cgroup/cgroup.type")), 0);
	assert_int_equal(cgroup_open(root, "auto", "w1", &home, &err), ERR_OK);
	assert_string_equal(home.path, "");
	assert_string_equal(home.why, "the cgroup / is not delegated to this process");
	holds("sys/fs/cgroup/fairlead-w1/worker/cgroup.procs", "");
}

static void a_container_is_ours(void **state)
{
	struct cgroup_home home;
	struct err err;

	(void)state;
	put("proc/self/cgroup", "0::/\n");
	put("proc/self/mountinfo", MOUNTS);
	put_tree("sys/fs/cgroup", "cpuset cpu io memory pids\n");
	assert_int_equal(cgroup_open(root, "auto", "w1", &home, &err), ERR_OK);
	assert_string_equal(home.path, in_root("sys/fs/cgroup/fairlead-w1"));
	assert_int_equal(home.controllers, 1U << CGROUP_MEMORY | 1U << CGROUP_PROCESSES |
	                                           1U << CGROUP_CPU | 1U << CGROUP_IO);
	holds("sys/fs/cgroup/fairlead-w1/worker/cgroup.procs", "0");
}

/* As a bind mount of a part of the hierarchy shows it. */
static void a_mount_of_a_part_is_understood(void **state)
{
	struct cgroup_home home;
	struct err err;

	(void)state;
	put("proc/self/cgroup", "0::/machine/unit\n");
	put("proc/self/mountinfo", "30 22 0:26 /mach /a rw - cgroup2 cgroup2 rw\n"
	                           "31 22 0:26 /machine /b rw - cgroup2 cgroup2 rw\n");
	put_tree("b/unit", "memory\n");
	assert_int_equal(cgroup_open(root, "auto", "w1", &home, &err), ERR_OK);
	if (geteuid() == 0) { /* who may write everywhere was given it only if that is said */
		assert_string_equal(home.why,
		                    "the cgroup /machine/unit is not delegated to this process");
	} else {
		assert_string_equal(home.path, in_root("b/unit/fairlead-w1"));
	}
}

static void a_folder_that_is_named_must_do(void **state)
{
	struct cgroup_home home;
	struct err err;

	(void)state;
	assert_int_equal(cgroup_open(root, "here", "w1", &home, &err), ERR_INVALID);
	assert_int_equal(cgroup_open(root, "/given", "w1", &home, &err), ERR_UNSUPPORTED);
	assert_non_null(strstr(err.msg, "worker.cgroup "));
	assert_non_null(strstr(err.msg, "/given: No such file or directory"));
	put_tree("given", "memory\n");
	assert_int_equal(cgroup_open(root, "/given", "w1", &home, &err), ERR_OK);
	assert_int_equal(home.controllers, 1U << CGROUP_MEMORY);
}

/* ---- a session's ---- */

static void put_session(const char *name, const char *text)
{
	char path[PATH_SIZE];

	(void)snprintf(path, sizeof(path), "given/fairlead-w1/%s/%s", sid.s, name);
	put(path, text);
}

static void session_holds(const char *name, const char *wanted)
{
	char path[PATH_SIZE];

	(void)snprintf(path, sizeof(path), "given/fairlead-w1/%s/%s", sid.s, name);
	holds(path, wanted);
}

static void only_limits_that_are_set_and_can_be_had_hold(void **state)
{
	const struct cgroup_limits limits = { { 1073741824, 64, 150 } };
	struct cgroup_home home;
	char path[CGROUP_PATH_MAX];
	unsigned held;
	struct err err;

	(void)state;
	put_tree("given", "cpu memory\n");
	put_session("memory.max", "");
	put_session("memory.swap.max", "");
	put_session("cpu.max", "");
	assert_int_equal(cgroup_open(root, "/given", "w1", &home, &err), ERR_OK);
	assert_int_equal(cgroup_make(&home, &sid, &limits, path, &held, &err), ERR_OK);
	assert_int_equal(held, 1U << CGROUP_MEMORY | 1U << CGROUP_CPU);
	session_holds("memory.max", "1073741824");
	session_holds("memory.swap.max", "0");
	session_holds("cpu.max", "150000 100000");
	put_session("pids.max", "");
	home.controllers |= 1U << CGROUP_PROCESSES;
	assert_int_equal(cgroup_make(&home, &sid, &limits, path, &held, &err), ERR_OK);
	session_holds("pids.max", "64");
	assert_int_equal(
		cgroup_make(&home, &sid, &(struct cgroup_limits){ { 0 } }, path, &held, &err),
		ERR_OK);
	assert_int_equal(held, 0);
}

/* A partition has no limit of its own; neither has what is on no disk. */
static void bytes_are_limited_on_the_whole_disk(void **state)
{
	const struct cgroup_limits limits = { .max = { [CGROUP_IO] = 1048576 } };
	struct cgroup_home home;
	char path[CGROUP_PATH_MAX];
	unsigned held;
	struct err err;

	(void)state;
	put("sys/devices/sda/dev", "8:0\n");
	put("sys/devices/sda/sda1/dev", "8:1\n");
	put("sys/devices/sda/sda1/partition", "1\n");
	put("sys/dev/block/none", "");
	assert_int_equal(symlink("../../devices/sda/sda1", in_root("sys/dev/block/8:1")), 0);
	assert_int_equal(symlink("../../devices/sda", in_root("sys/dev/block/8:0")), 0);
	put_tree("given", "io\n");
	put_session("io.max", "");
	assert_int_equal(cgroup_open(root, "/given", "w1", &home, &err), ERR_OK);
	cgroup_find_disk(root, makedev(0, 40), home.device);
	assert_string_equal(home.device, "");
	assert_int_equal(cgroup_make(&home, &sid, &limits, path, &held, &err), ERR_OK);
	assert_int_equal(held, 0);
	cgroup_find_disk(root, makedev(8, 0), home.device);
	assert_string_equal(home.device, "8:0");
	cgroup_find_disk(root, makedev(8, 1), home.device);
	assert_string_equal(home.device, "8:0");
	assert_int_equal(cgroup_make(&home, &sid, &limits, path, &held, &err), ERR_OK);
	assert_int_equal(held, 1U << CGROUP_IO);
	session_holds("io.max", "8:0 rbps=1048576 wbps=1048576");
}

static void what_was_refused_is_read_and_what_is_not_there_is_nothing(void **state)
{
	struct cgroup_home home;
	struct cgroup_counts counts;
	char path[CGROUP_PATH_MAX];
	unsigned held;
	struct err err;

	(void)state;
	put_tree("given", "memory\n");
	put_session("memory.events", "low 0\nhigh 7\nmax 12\noom 3\noom_kill 2\n");
	put_session("pids.events", "max 41\n");
	assert_int_equal(cgroup_open(root, "/given", "w1", &home, &err), ERR_OK);
	assert_int_equal(
		cgroup_make(&home, &sid, &(struct cgroup_limits){ { 0 } }, path, &held, &err),
		ERR_OK);
	counts = cgroup_read(path);
	assert_int_equal(counts.killed, 2);
	assert_int_equal(counts.refused, 41);
	assert_int_equal(counts.throttled_us, 0);
	put_session("cpu.stat", "usage_usec 9\nnr_throttled 1\nthrottled_usec 1500000\n");
	assert_int_equal(cgroup_read(path).throttled_us, 1500000);
	assert_int_equal(cgroup_read("/nowhere").killed, 0);
}

static void a_number_is_that_of_its_key_only(void **state)
{
	(void)state;
	assert_int_equal(cgroup_number(STR_LIT("oom 3\noom_kill 2"), "oom_kill"), 2);
	assert_int_equal(cgroup_number(STR_LIT("oom_kill 2\noom 3\n"), "oom"), 3);
	assert_int_equal(cgroup_number(STR_LIT("oom x\n"), "oom"), 0);
	assert_int_equal(cgroup_number(STR_LIT("oom\n"), "oom"), 0);
	assert_int_equal(cgroup_number(STR_LIT("oom 99999999999999999999\n"), "oom"), 0);
	assert_int_equal(cgroup_number(STR_LIT(""), "oom"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(where_there_is_none_the_reason_is_told, set_up,
		                                tear_down),
		cmocka_unit_test_setup_teardown(a_whole_host_is_not_ours, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_container_is_ours, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_mount_of_a_part_is_understood, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_folder_that_is_named_must_do, set_up, tear_down),
		cmocka_unit_test_setup_teardown(only_limits_that_are_set_and_can_be_had_hold,
		                                set_up, tear_down),
		cmocka_unit_test_setup_teardown(bytes_are_limited_on_the_whole_disk, set_up,
		                                tear_down),
		cmocka_unit_test_setup_teardown(
			what_was_refused_is_read_and_what_is_not_there_is_nothing, set_up,
			tear_down),
		cmocka_unit_test(a_number_is_that_of_its_key_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

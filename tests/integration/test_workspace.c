/* Workspaces with a real git, as root with an unprivileged agents' user, or all as one user. */
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/support/run_fiber.h"
#include "tests/support/test.h"
#include "worker/workspace.h"
#include "workspace_rig.h"

enum { PATCH_MAX = 1 << 20 };

char dir[] = "/tmp/fairlead-workspace-XXXXXX";
char url[PATH_SIZE];
struct process_user user;
struct workspaces *all;
static struct workspaces *hurried; /* does not wait long for a lock */
struct workspaces *elsewhere;      /* of another host */
static struct workspaces *remote;  /* has no repositories on this host, and is easily content */
static char failure[512]; /* the first CHECK that was not true: no longjmp out of a fiber */

bool check(bool condition, const char *what, int line)
{
	if (!condition && failure[0] == '\0') {
		(void)snprintf(failure, sizeof(failure), "line %d: %s", line, what);
	}
	return condition;
}

bool check_ok(enum err_code code, const struct err *err, int line)
{
	return check(code == ERR_OK, code == ERR_OK ? "" : err->msg, line);
}

struct scenario {
	void (*fn)(struct loop *loop, void *arg);
};

#define SCENARIO(fn)                                                                               \
	{                                                                                          \
#		fn, run_scenario, NULL, NULL, &(struct scenario)                                  \
		{                                                                                  \
			fn                                                                         \
		}                                                                                  \
	}

static void run_scenario(void **state)
{
	const struct scenario *scenario = *state;

	failure[0] = '\0';
	run_fiber(scenario->fn, NULL);
	if (failure[0] != '\0') {
		fail_msg("%s", failure);
	}
}

/* A script in the test's directory; as the agents' user when asked. Its first line of output, if
 * out is not NULL. */
bool shell_as(const struct process_user *who, const char *cwd, const char *script, char *out,
              size_t size)
{
	static const char *const env[] = { "PATH=/usr/bin:/bin",
		                           "HOME=/nonexistent",
		                           "GIT_CONFIG_NOSYSTEM=1",
		                           "GIT_AUTHOR_NAME=t",
		                           "GIT_AUTHOR_EMAIL=t@example.org",
		                           "GIT_COMMITTER_NAME=t",
		                           "GIT_COMMITTER_EMAIL=t@example.org",
		                           NULL };
	const char *const argv[] = { "sh", "-ec", script, NULL };
	struct process_run command = process_run_init(argv, env);
	struct process_result result;
	struct str rest;
	struct err err;
	enum err_code code;

	command.spec.cwd = cwd;
	command.spec.user = who;
	code = process_run(&command, &result, &err);
	rest = buf_str(&result.out);
	if (out != NULL) {
		(void)str_copy(out, size, str_split(&rest, '\n'));
	}
	process_result_fini(&result);
	return check(code == ERR_OK, code == ERR_OK ? "" : err.msg, __LINE__);
}

bool shell(const char *cwd, const char *script)
{
	return shell_as(NULL, cwd, script, NULL, 0);
}

bool agent(const struct workspace *ws, const char *script)
{
	return shell_as(&user, ws->path, script, NULL, 0);
}

struct workspace_request request_of(const char *branch, const char *commit)
{
	return (struct workspace_request){ .session = id_new(),
		                           .url = str_of(url),
		                           .branch = str_of(branch),
		                           .commit = str_of(commit) };
}

static bool prepare(struct workspace *ws)
{
	const struct workspace_request request = request_of("main", "");
	struct err err;

	return CHECK_OK(workspace_prepare(all, &request, ws, &err), &err);
}

void drop(const struct workspace *ws)
{
	struct err err;

	CHECK_OK(workspace_remove(all, &ws->session, &err), &err);
	CHECK(access(ws->path, F_OK) != 0 && access(ws->private, F_OK) != 0);
}

static const struct change *find(const struct changes *changes, const char *path)
{
	for (size_t i = 0; i < changes->count; i++) {
		if (str_eq(changes->list[i].path, str_of(path))) {
			return &changes->list[i];
		}
	}
	return NULL;
}

/* ---- preparing ---- */

static void a_branch_is_checked_out_and_the_agent_can_commit(struct loop *loop, void *arg)
{
	struct workspace ws;
	struct stat st;
	char line[PATH_SIZE];

	(void)loop;
	(void)arg;
	if (!prepare(&ws)) {
		return;
	}
	CHECK(strlen(ws.base) == 40);
	CHECK(stat(ws.path, &st) == 0 && st.st_uid == (user.drop ? user.uid : getuid()));
	CHECK(agent(
		&ws,
		"test \"$(cat a.txt)\" = one; test \"$(git rev-parse --abbrev-ref HEAD)\" = main;"
		"test -z \"$(git status --porcelain)\"; git rev-parse -q --verify origin/side"));
	CHECK(shell_as(&user, ws.path, "git config remote.origin.url", line, sizeof(line)));
	CHECK(strcmp(line, url) == 0);
	CHECK(agent(
		&ws,
		"echo more >> a.txt; git commit -qam mine; git log -1 --format=%s | grep -x mine"));
	drop(&ws);
}

static void a_commit_is_found_and_fetched_when_it_is_missing(struct loop *loop, void *arg)
{
	char commit[64], fresh[64];
	struct workspace_request request;
	struct workspace ws;
	struct err err;

	(void)loop;
	(void)arg;
	CHECK(shell_as(NULL, url, "git rev-parse main~1", commit, sizeof(commit)));
	request = request_of("", commit);
	CHECK_OK(workspace_prepare(all, &request, &ws, &err), &err);
	CHECK(strcmp(ws.base, commit) == 0);
	CHECK(agent(&ws, "test \"$(cat a.txt)\" = zero"));
	drop(&ws);

	/* Not there when the mirror was made. */
	CHECK(shell(url, "git checkout -q side; echo s >> side.txt; git commit -qam s; git "
	                 "checkout -q main"));
	CHECK(shell_as(NULL, url, "git rev-parse side", fresh, sizeof(fresh)));
	fresh[12] = '\0';
	request = request_of("side", fresh);
	CHECK_OK(workspace_prepare(all, &request, &ws, &err), &err);
	CHECK(strncmp(ws.base, fresh, 12) == 0);
	CHECK(strcmp(ws.branch, "side") == 0);
	drop(&ws);
}

static void without_a_branch_it_is_the_default_one_even_when_that_moves(struct loop *loop,
                                                                        void *arg)
{
	struct workspace_request request = request_of("", "");
	struct workspace ws;
	struct err err;

	(void)loop;
	(void)arg;
	CHECK_OK(workspace_prepare(all, &request, &ws, &err), &err);
	CHECK(strcmp(ws.branch, "main") == 0);
	drop(&ws);
	CHECK(shell(url, "git branch -m main trunk"));
	CHECK_OK(workspace_prepare(all, &request, &ws, &err), &err);
	CHECK(strcmp(ws.branch, "trunk") == 0);
	drop(&ws);
	CHECK(shell(url, "git branch -m trunk main"));
	request.branch = STR_LIT("v1"); /* a tag: on no branch */
	CHECK_OK(workspace_prepare(all, &request, &ws, &err), &err);
	CHECK(ws.branch[0] == '\0');
	CHECK(agent(&ws, "test \"$(cat a.txt)\" = zero"));
	drop(&ws);
}

static void expect_error(const struct workspace_request *request, enum err_code code,
                         const char *text)
{
	struct workspace ws;
	struct err err = { ERR_OK, "" };

	CHECK(workspace_prepare(all, request, &ws, &err) == code);
	check(strstr(err.msg, text) != NULL, err.msg, __LINE__);
}

static void what_cannot_be_had_is_one_clear_error(struct loop *loop, void *arg)
{
	struct workspace_request request = request_of("no-such", "");

	(void)loop;
	(void)arg;
	expect_error(&request, ERR_NOT_FOUND, "the repository has no branch no-such");
	request = request_of("", "0123456789012345678901234567890123456789");
	expect_error(&request, ERR_NOT_FOUND, "the repository has no commit 01234567");
	request = request_of("--upload-pack=x", "");
	expect_error(&request, ERR_INVALID, "branch name");
	request = request_of("main", "");
	request.url = STR_LIT("/nonexistent/repository");
	expect_error(&request, ERR_BACKEND, "fetch the repository: ");
	request.url = STR_LIT("ext::sh -c true");
	expect_error(&request, ERR_INVALID, "repository URL");
}

static void without_a_repository_the_workspace_is_empty_and_still_has_changes(struct loop *loop,
                                                                              void *arg)
{
	struct workspace_request request = { .session = id_new() };
	struct workspace_delivery delivery;
	struct changes *changes = NULL;
	struct workspace ws;
	struct err err;

	(void)loop;
	(void)arg;
	if (!CHECK_OK(workspace_prepare(all, &request, &ws, &err), &err)) {
		return;
	}
	CHECK(agent(&ws, "test -z \"$(ls -A)\"; echo hello > new.txt"));
	if (CHECK_OK(workspace_changes(all, &ws, NULL, &changes, &err), &err)) {
		CHECK(changes->count == 1 && changes->list[0].status == CHANGE_ADDED);
		CHECK(changes->list[0].has_text);
		CHECK(str_eq(changes->list[0].after.text, STR_LIT("hello\n")));
		changes_free(changes);
	}
	CHECK(workspace_deliver_branch(all, &ws, 1, STR_LIT(""), &delivery, &err) ==
	      ERR_UNSUPPORTED);
	drop(&ws);
}

/* ---- sharing ---- */

struct pair {
	struct workspace ws[3];
	enum err_code codes[3];
	size_t next;
};

static void prepare_one(void *arg)
{
	struct pair *pair = arg;
	size_t i = pair->next++;
	const struct workspace_request request = request_of("main", "");
	struct err err;

	pair->codes[i] = workspace_prepare(all, &request, &pair->ws[i], &err);
}

static void sessions_that_begin_together_share_one_mirror(struct loop *loop, void *arg)
{
	struct pair *pair = mem_calloc(1, sizeof(*pair));
	struct fiber_group group = { .count = 0 };

	(void)arg;
	CHECK(shell(dir, "rm -rf state/mirrors/*"));
	for (size_t i = 0; i < ARRAY_LEN(pair->ws); i++) {
		(void)fiber_start(loop, &group, "prepare", prepare_one, pair);
	}
	CHECK(fiber_group_wait(&group, 60000) == ERR_OK);
	for (size_t i = 0; i < ARRAY_LEN(pair->ws); i++) {
		if (CHECK(pair->codes[i] == ERR_OK)) {
			CHECK(strcmp(pair->ws[i].base, pair->ws[0].base) == 0);
			drop(&pair->ws[i]);
		}
	}
	CHECK(shell(dir, "test $(ls -d state/mirrors/*.git | wc -l) = 1"));
	free(pair);
}

static void who_waits_too_long_for_another_fetch_gives_up(struct loop *loop, void *arg)
{
	const struct workspace_request request = request_of("main", "");
	char lock[PATH_SIZE], line[PATH_SIZE];
	struct workspace ws;
	struct err err;
	int fd;

	(void)loop;
	(void)arg;
	CHECK(shell_as(NULL, dir, "ls -d $PWD/state/mirrors/*.lock", line, sizeof(line)));
	(void)snprintf(lock, sizeof(lock), "%s", line);
	fd = open(lock, O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0 && flock(fd, LOCK_EX) == 0);
	CHECK(workspace_prepare(hurried, &request, &ws, &err) == ERR_TIMEOUT);
	(void)close(fd);
	CHECK_OK(workspace_prepare(all, &request, &ws, &err), &err);
	drop(&ws);
}

static void a_fetch_that_was_killed_does_not_block_the_next(struct loop *loop, void *arg)
{
	struct workspace ws;

	(void)loop;
	(void)arg;
	CHECK(shell(url, "echo newer > n.txt; git add n.txt; git commit -qm newer"));
	CHECK(shell(dir, "for m in state/mirrors/*.git; do mkdir -p $m/refs/heads; "
	                 ": > $m/refs/heads/main.lock; : > $m/packed-refs.lock; done"));
	if (prepare(&ws)) {
		CHECK(agent(&ws, "test -f n.txt"));
		drop(&ws);
	}
}

/* ---- results ---- */

static void check_changes(const struct changes *changes)
{
	const struct change *a = find(changes, "a.txt"), *gone = find(changes, "sub/b.txt");
	const struct change *bin = find(changes, "bin"), *big = find(changes, "big.txt");
	const struct change *latin = find(changes, "sp ace\xef\xbf\xbd.txt");

	CHECK(changes->count == 6 && !changes->cut && !changes->unreadable);
	if (!CHECK(a != NULL && gone != NULL && bin != NULL && big != NULL && latin != NULL)) {
		return;
	}
	CHECK(a->status == CHANGE_MODIFIED && a->lines_added == 2 && a->lines_removed == 1);
	CHECK(a->has_text && str_eq(a->before.text, STR_LIT("one\n")));
	CHECK(str_eq(a->after.text, STR_LIT("1\n2\n")));
	CHECK(gone->status == CHANGE_DELETED && gone->has_text && gone->after.text.n == 0);
	CHECK(bin->binary && !bin->has_text);
	CHECK(big->large && big->lines_added == 3000 && big->after.lines == 3000);
	CHECK(str_starts(big->after.head, STR_LIT("1\n2\n")));
	CHECK(str_ends(big->after.tail, STR_LIT("2999\n3000\n")));
	CHECK(latin->has_text && str_eq(latin->after.text, STR_LIT("\xef\xbf\xbd\n")));
	CHECK(find(changes, "link") != NULL && find(changes, "ignored.o") == NULL);
}

static void every_kind_of_change_is_listed_with_its_text(struct loop *loop, void *arg)
{
	char tree[CHANGE_OID_MAX + 1] = "";
	struct changes *changes;
	struct workspace ws;
	struct err err;

	(void)loop;
	(void)arg;
	if (!prepare(&ws)) {
		return;
	}
	if (CHECK_OK(workspace_changes(all, &ws, NULL, &changes, &err), &err)) {
		CHECK(changes->count == 0);
		changes_free(changes);
	}
	/* Committed or not makes no difference. */
	CHECK(agent(&ws, "printf '1\\n2\\n' > a.txt; git commit -qam mine; rm sub/b.txt; "
	                 "printf '\\0\\1' > bin; seq 3000 > big.txt; ln -s /etc/passwd link; "
	                 "printf '\\344\\n' > \"$(printf 'sp ace\\344.txt')\"; : > ignored.o"));
	if (CHECK_OK(workspace_changes(all, &ws, NULL, &changes, &err), &err)) {
		check_changes(changes);
		memcpy(tree, changes->tree, sizeof(tree));
		changes_free(changes);
	}
	CHECK(agent(&ws, "echo 3 >> a.txt"));
	if (CHECK_OK(workspace_changes(all, &ws, tree, &changes, &err), &err)) {
		const struct change *a = find(changes, "a.txt");

		CHECK(changes->count == 1 && a != NULL);
		CHECK(a != NULL && str_eq(a->before.text, STR_LIT("1\n2\n")));
		CHECK(a != NULL && str_eq(a->after.text, STR_LIT("1\n2\n3\n")));
		changes_free(changes);
	}
	drop(&ws);
}

/* Each of these would leave a file if git ran it. */
static const char planting[] =
	"p=$PWD/../../../planted; mkdir -p h; printf '#!/bin/sh\\n: > '$p'\\n' > h/x; chmod +x "
	"h/x; "
	"for h in pre-commit post-checkout pre-push reference-transaction post-index-change "
	"fsmonitor; "
	"do cp h/x h/$h; mkdir -p .git/hooks; cp h/x .git/hooks/$h; done; "
	"git config core.hooksPath $PWD/h; git config core.fsmonitor $PWD/h/x; "
	"git config diff.external $PWD/h/x; git config core.sshCommand $PWD/h/x; "
	"git config filter.evil.clean $PWD/h/x; git config filter.evil.process $PWD/h/x; "
	"git config diff.evil.textconv $PWD/h/x; git config diff.evil.command $PWD/h/x; "
	"git config core.pager $PWD/h/x; "
	"printf '*.txt filter=evil diff=evil\\n' > .gitattributes; echo evil > evil.txt; "
	"git init -q nested 2>/dev/null; cp .git/config nested/.git/config; echo n > nested/n.txt";

static void nothing_an_agent_planted_is_run(struct loop *loop, void *arg)
{
	struct workspace_delivery delivery;
	struct changes *changes;
	struct workspace ws;
	struct buf patch;
	bool truncated;
	struct err err;

	(void)loop;
	(void)arg;
	if (!prepare(&ws)) {
		return;
	}
	CHECK(shell(dir, "chmod 0777 ."));
	CHECK(agent(&ws, planting));
	/* The traps are live: the agent's own git steps into them. */
	CHECK(shell(dir, "rm -f planted"));
	CHECK(agent(&ws, "git status >/dev/null || :; test -e ../../../planted"));
	CHECK(agent(&ws, "rm ../../../planted; git config core.worktree /etc"));
	if (CHECK_OK(workspace_changes(all, &ws, NULL, &changes, &err), &err)) {
		CHECK(find(changes, "evil.txt") != NULL && find(changes, ".git/config") == NULL);
		changes_free(changes);
	}
	buf_init(&patch, PATCH_MAX);
	CHECK_OK(workspace_patch(all, &ws, &patch, &truncated, &err), &err);
	CHECK(strstr(buf_cstr(&patch), "+evil\n") != NULL);
	buf_fini(&patch);
	CHECK_OK(workspace_deliver_branch(all, &ws, 3, STR_LIT("m\n"), &delivery, &err), &err);
	CHECK(shell(dir, "! test -e planted"));
	drop(&ws);
}

static void unreadable_files_are_said_to_be_so_and_can_be_removed(struct loop *loop, void *arg)
{
	struct changes *changes;
	struct workspace ws;
	struct err err;

	(void)loop;
	(void)arg;
	if (!prepare(&ws)) {
		return;
	}
	CHECK(agent(&ws, "echo x > seen.txt; echo x > shut.txt; chmod 000 shut.txt; mkdir d; "
	                 "echo x > d/f; chmod 000 d"));
	if (CHECK_OK(workspace_changes(all, &ws, NULL, &changes, &err), &err)) {
		if (user.drop || getuid() != 0) {
			CHECK(changes->unreadable);
		}
		CHECK(find(changes, "seen.txt") != NULL);
		changes_free(changes);
	}
	drop(&ws);
}

static void the_patch_applies_and_is_bounded(struct loop *loop, void *arg)
{
	char script[SCRIPT_MAX], file[PATH_SIZE];
	struct workspace ws;
	struct buf patch;
	bool truncated = true;
	struct err err;
	FILE *out;

	(void)loop;
	(void)arg;
	if (!prepare(&ws)) {
		return;
	}
	CHECK(agent(&ws, "echo two >> a.txt; printf '\\0\\1' > bin; seq 100 > n"));
	buf_init(&patch, PATCH_MAX);
	CHECK_OK(workspace_patch(all, &ws, &patch, &truncated, &err), &err);
	CHECK(!truncated);
	(void)snprintf(file, sizeof(file), "%s/patch", dir);
	out = fopen(file, "we");
	CHECK(out != NULL && fwrite(patch.data, 1, patch.len, out) == patch.len &&
	      fclose(out) == 0);
	(void)snprintf(script, sizeof(script),
	               "git clone -q %s applied; cd applied; git apply --index ../patch; "
	               "grep -x two a.txt; test $(wc -l < n) = 100; cd ..; rm -rf applied patch",
	               url);
	CHECK(shell(dir, script));
	buf_fini(&patch);
	buf_init(&patch, 64);
	CHECK_OK(workspace_patch(all, &ws, &patch, &truncated, &err), &err);
	CHECK(truncated && patch.len == 64 && !buf_failed(&patch));
	buf_fini(&patch);
	drop(&ws);
}

static void a_delivery_goes_to_its_own_ref_and_no_other(struct loop *loop, void *arg)
{
	struct workspace_delivery delivery, again;
	char script[SCRIPT_MAX], before[64], after[64];
	struct workspace ws;
	struct err err;

	(void)loop;
	(void)arg;
	if (!prepare(&ws)) {
		return;
	}
	CHECK_OK(workspace_deliver_branch(all, &ws, 1, STR_LIT(""), &delivery, &err), &err);
	CHECK(strcmp(delivery.commit, ws.base) == 0);
	CHECK(shell_as(NULL, url, "git for-each-ref refs/heads refs/tags | sha1sum", before,
	               sizeof(before)));
	CHECK(agent(&ws, "echo delivered > d.txt; mkdir x; echo y > x/y"));
	CHECK_OK(workspace_deliver_branch(all, &ws, 2, STR_LIT("work of a session\n"), &delivery,
	                                  &err),
	         &err);
	CHECK_OK(workspace_deliver_branch(all, &ws, 2, STR_LIT("again\n"), &again, &err), &err);
	CHECK(strcmp(again.ref, delivery.ref) == 0);
	(void)snprintf(script, sizeof(script),
	               "test \"$(git rev-parse %s)\" = %s; test \"$(git rev-parse %s~1)\" = %s; "
	               "test \"$(git show %s:d.txt)\" = delivered; "
	               "test \"$(git log -1 --format=%%s %s)\" = again; git fsck --strict",
	               again.ref, again.commit, again.ref, ws.base, again.ref, again.ref);
	CHECK(shell(url, script));
	CHECK(shell_as(NULL, url, "git for-each-ref refs/heads refs/tags | sha1sum", after,
	               sizeof(after)));
	CHECK(strcmp(before, after) == 0);
	drop(&ws);
}

static void the_commits_of_the_agent_are_delivered_as_they_are(struct loop *loop, void *arg)
{
	struct workspace_delivery delivery;
	char script[SCRIPT_MAX];
	struct workspace ws;
	struct err err;

	(void)loop;
	(void)arg;
	if (!prepare(&ws)) {
		return;
	}
	CHECK(agent(&ws, "echo c > c.txt; git add .; git commit -qm first; echo d > c.txt; "
	                 "git commit -qam second"));
	CHECK_OK(workspace_deliver_branch(all, &ws, 1, STR_LIT(""), &delivery, &err), &err);
	(void)snprintf(script, sizeof(script),
	               "test \"$(git log --format=%%s %s~2..%s)\" = "
	               "\"$(printf 'second\\nfirst')\"",
	               delivery.ref, delivery.ref);
	CHECK(shell(url, script));
	CHECK(agent(&ws, "echo e > e.txt"));
	CHECK_OK(workspace_deliver_branch(all, &ws, 2, STR_LIT("rest\n"), &delivery, &err), &err);
	(void)snprintf(script, sizeof(script),
	               "test \"$(git log --format=%%s %s~3..%s)\" = "
	               "\"$(printf 'rest\\nsecond\\nfirst')\"; git show %s:e.txt | grep -x e",
	               delivery.ref, delivery.ref, delivery.ref);
	CHECK(shell(url, script));

	/* A history of its own, and one that git does not accept, come as one commit on the base.
	 */
	CHECK(agent(&ws, "git checkout -q --orphan alone; git commit -qm alone"));
	CHECK_OK(workspace_deliver_branch(all, &ws, 3, STR_LIT("all\n"), &delivery, &err), &err);
	(void)snprintf(script, sizeof(script), "test \"$(git rev-parse %s~1)\" = %s", delivery.ref,
	               ws.base);
	CHECK(shell(url, script));
	(void)snprintf(script, sizeof(script),
	               "t=$(git write-tree); c=$(printf 'tree %%s\\nparent %s\\nauthor bad\\n"
	               "committer bad\\n\\nx\\n' $t | git hash-object -t commit -w --literally "
	               "--stdin); git update-ref HEAD $c",
	               ws.base);
	CHECK(agent(&ws, script));
	CHECK_OK(workspace_deliver_branch(all, &ws, 4, STR_LIT("all\n"), &delivery, &err), &err);
	(void)snprintf(
		script, sizeof(script),
		"test \"$(git rev-parse %s~1)\" = %s; test \"$(git log -1 --format=%%s %s)\" "
		"= all",
		delivery.ref, ws.base, delivery.ref);
	CHECK(shell(url, script));
	drop(&ws);
}

static bool keep_one(const struct id *session, void *arg)
{
	return id_eq(session, arg);
}

static void a_sweep_leaves_only_what_is_kept(struct loop *loop, void *arg)
{
	struct workspace kept, swept;
	struct err err;

	(void)loop;
	(void)arg;
	if (prepare(&kept) && prepare(&swept)) {
		CHECK_OK(workspaces_sweep(all, keep_one, &kept.session, &err), &err);
		CHECK(access(kept.path, F_OK) == 0 && access(swept.path, F_OK) != 0);
		CHECK(access(kept.private, F_OK) == 0 && access(swept.private, F_OK) != 0);
		drop(&kept);
	}
}

static void body_cancel_one(void *arg)
{
	const struct workspace_request request = request_of("main", "");
	struct workspace ws;
	struct err err;

	*(enum err_code *)arg = workspace_prepare(all, &request, &ws, &err);
}

static void a_cancelled_preparation_leaves_nothing(struct loop *loop, void *arg)
{
	struct fiber_group group = { .count = 0 };
	enum err_code code = ERR_OK;

	(void)arg;
	(void)fiber_start(loop, &group, "prepare", body_cancel_one, &code);
	(void)fiber_sleep(10);
	fiber_group_cancel(&group, ERR_CANCELLED);
	CHECK(fiber_group_wait(&group, 30000) == ERR_OK);
	CHECK(code == ERR_CANCELLED);
	CHECK(shell(dir, "test -z \"$(ls -A state/workspaces)$(ls -A state/private)\""));
}

/* ---- over a network ---- */

static bool is_listening(unsigned port)
{
	const struct sockaddr_in address = { .sin_family = AF_INET,
		                             .sin_port = htons((uint16_t)port),
		                             .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool open = fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;

	if (fd >= 0) {
		(void)close(fd);
	}
	return open;
}

/* A git server on a free port below the ephemeral ones. */
static bool start_server(struct process *ret, unsigned *ret_port)
{
	static const char *const env[] = { "PATH=/usr/bin:/bin", NULL };
	char base[PATH_SIZE], listen[32];
	const char *const argv[] = { "git",       "daemon",      "--export-all",
		                     "--verbose", "--reuseaddr", "--enable=receive-pack",
		                     base,        listen,        "--listen=127.0.0.1",
		                     dir,         NULL };
	const struct process_spec spec = { .argv = argv,
		                           .env = env,
		                           .fds = { -1, -1, -1, -1, -1 } };
	unsigned port = 21000 + (unsigned)getpid() % 10000;
	struct err err;

	while (is_listening(port)) {
		port++;
	}
	(void)snprintf(base, sizeof(base), "--base-path=%s", dir);
	(void)snprintf(listen, sizeof(listen), "--port=%u", port);
	if (!CHECK_OK(process_spawn(&spec, ret, &err), &err)) {
		return false;
	}
	for (int i = 0; i < 1000 && !is_listening(port); i++) {
		(void)fiber_sleep(10);
	}
	*ret_port = port;
	return CHECK(is_listening(port));
}

static void use_server(unsigned port)
{
	struct workspace_request request = request_of("main", "");
	struct workspace_delivery delivery;
	char text[PATH_SIZE], script[SCRIPT_MAX];
	struct workspace ws;
	struct err err;

	(void)snprintf(text, sizeof(text), "git://127.0.0.1:%u/repo", port);
	CHECK(workspace_prepare(remote, &request, &ws, &err) == ERR_INVALID); /* a path */
	request.url = str_of(text);
	if (!CHECK_OK(workspace_prepare(remote, &request, &ws, &err), &err)) {
		return;
	}
	CHECK(agent(&ws, "test \"$(cat a.txt)\" = one; echo net > net.txt"));
	CHECK_OK(workspace_deliver_branch(remote, &ws, 5, STR_LIT("m\n"), &delivery, &err), &err);
	(void)snprintf(script, sizeof(script), "test \"$(git show %s:net.txt)\" = net",
	               delivery.ref);
	CHECK(shell(url, script));
	CHECK_OK(workspace_remove(remote, &ws.session, &err), &err);
}

/* Fresh enough: nobody is asked. */
static void use_mirror(unsigned port)
{
	struct workspace_request request = request_of("main", "");
	char text[PATH_SIZE];
	struct workspace ws;
	struct err err;

	(void)snprintf(text, sizeof(text), "git://127.0.0.1:%u/repo", port);
	request.url = str_of(text);
	CHECK_OK(workspace_prepare(remote, &request, &ws, &err), &err);
	CHECK_OK(workspace_remove(remote, &ws.session, &err), &err);
	request.branch = STR_LIT("unheard-of"); /* for this one somebody must be */
	CHECK(workspace_prepare(remote, &request, &ws, &err) == ERR_BACKEND);
}

static void a_remote_is_cloned_pushed_to_and_not_asked_again_while_fresh(struct loop *loop,
                                                                         void *arg)
{
	struct process server = { .pidfd = -1 };
	unsigned port;

	(void)loop;
	(void)arg;
	if (start_server(&server, &port)) {
		use_server(port);
		process_end(&server);
		use_mirror(port);
	}
	process_end(&server);
}

/* ---- the repository ---- */

static void body_repository(struct loop *loop, void *arg)
{
	(void)loop;
	(void)arg;
	CHECK(shell(dir,
	            "git init -q -b main repo; cd repo; echo zero > a.txt; mkdir sub; "
	            "echo b > sub/b.txt; echo '*.o' > .gitignore; git add .; git commit -qm zero; "
	            "git tag v1; echo one > a.txt; git commit -qam one; git branch side; "
	            "git checkout -q side; echo s > side.txt; git add .; git commit -qm side; "
	            "git checkout -q main"));
}

static int set_up(void **state)
{
	static char state_dir[PATH_SIZE];
	struct workspace_options options = { .state_dir = state_dir,
		                             .allow_local = true,
		                             .fetch_timeout_ms = 30000,
		                             .lock_timeout_ms = 30000,
		                             .git_timeout_ms = 30000,
		                             .fresh_ms = 0,
		                             .file_max_bytes = 1 << 30 };
	struct err err;

	(void)state;
	if (mkdtemp(dir) == NULL || chmod(dir, 0755) != 0 ||
	    process_user_find(getuid() == 0 ? "nobody" : "", &user, &err) != ERR_OK) {
		return -1;
	}
	(void)snprintf(url, sizeof(url), "%s/repo", dir);
	(void)snprintf(state_dir, sizeof(state_dir), "%s/state", dir);
	options.user = user;
	run_fiber(body_repository, NULL);
	if (failure[0] != '\0' || workspaces_new(&options, &all, &err) != ERR_OK) {
		return -1;
	}
	options.lock_timeout_ms = 100;
	if (workspaces_new(&options, &hurried, &err) != ERR_OK) {
		return -1;
	}
	(void)snprintf(state_dir, sizeof(state_dir), "%s/elsewhere", dir);
	if (workspaces_new(&options, &elsewhere, &err) != ERR_OK) {
		return -1;
	}
	(void)snprintf(state_dir, sizeof(state_dir), "%s/remote", dir);
	options.allow_local = false;
	options.fresh_ms = 3600 * 1000;
	return workspaces_new(&options, &remote, &err) == ERR_OK ? 0 : -1;
}

static void body_clean(struct loop *loop, void *arg)
{
	char script[PATH_SIZE];

	(void)loop;
	(void)arg;
	(void)snprintf(script, sizeof(script), "rm -rf %s", dir);
	CHECK(shell("/", script));
}

static int tear_down(void **state)
{
	(void)state;
	failure[0] = '\0';
	run_fiber(body_clean, NULL);
	workspaces_free(all);
	workspaces_free(hurried);
	workspaces_free(elsewhere);
	workspaces_free(remote);
	return failure[0] == '\0' ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENARIO(a_branch_is_checked_out_and_the_agent_can_commit),
		SCENARIO(a_commit_is_found_and_fetched_when_it_is_missing),
		SCENARIO(without_a_branch_it_is_the_default_one_even_when_that_moves),
		SCENARIO(what_cannot_be_had_is_one_clear_error),
		SCENARIO(without_a_repository_the_workspace_is_empty_and_still_has_changes),
		SCENARIO(sessions_that_begin_together_share_one_mirror),
		SCENARIO(who_waits_too_long_for_another_fetch_gives_up),
		SCENARIO(a_fetch_that_was_killed_does_not_block_the_next),
		SCENARIO(every_kind_of_change_is_listed_with_its_text),
		SCENARIO(nothing_an_agent_planted_is_run),
		SCENARIO(unreadable_files_are_said_to_be_so_and_can_be_removed),
		SCENARIO(the_patch_applies_and_is_bounded),
		SCENARIO(a_delivery_goes_to_its_own_ref_and_no_other),
		SCENARIO(the_commits_of_the_agent_are_delivered_as_they_are),
		SCENARIO(a_snapshot_is_unpacked_under_another_path),
		SCENARIO(a_snapshot_comes_by_the_repository_to_a_host_that_shares_nothing),
		SCENARIO(what_a_snapshot_of_a_repository_says_is_not_believed),
		SCENARIO(a_sweep_leaves_only_what_is_kept),
		SCENARIO(a_cancelled_preparation_leaves_nothing),
		SCENARIO(a_remote_is_cloned_pushed_to_and_not_asked_again_while_fresh),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

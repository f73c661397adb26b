/* Snapshots in the repository of a task (worker/snapshot_origin.h), with two hosts that share
 * nothing else. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/test.h"
#include "worker/snapshot_origin.h"
#include "workspace_rig.h"

static const char *dated(struct str name, uint64_t epoch, struct arena *arena)
{
	return str_eq(name, STR_LIT("day")) ? arena_printf(arena, "day-%" PRIu64, epoch) : NULL;
}

void a_snapshot_is_unpacked_under_another_path(struct loop *loop, void *arg)
{
	static const char *const kept[] = { "talks", "not-there", NULL };
	const struct snapshot_rename rename = {
		.from = "at-first", .to = "at-last", .file = dated, .epoch = 7
	};
	struct workspace_request none = { .session = id_new() };
	struct workspace_request again = { .session = id_new() };
	struct workspace first, second;
	struct snapshot_of of = { .all = all, .ws = &first, .kept = kept };
	char home[PATH_SIZE], other[PATH_SIZE], script[SCRIPT_MAX];
	struct snapshot_image image;
	struct err err;
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	(void)loop;
	(void)arg;
	(void)snprintf(home, sizeof(home), "%s/home", dir);
	(void)snprintf(other, sizeof(other), "%s/other", dir);
	(void)snprintf(script, sizeof(script),
	               "mkdir home other; chown %u:%u home other; chmod 711 .",
	               user.drop ? user.uid : geteuid(), user.drop ? user.gid : getegid());
	if (!CHECK(fd >= 0) || !shell(dir, script) ||
	    !CHECK_OK(workspace_prepare(all, &none, &first, &err), &err) ||
	    !CHECK_OK(workspace_prepare(all, &again, &second, &err), &err)) {
		return;
	}
	of.home = home;
	CHECK(agent(&first, "mkdir -p a/b; echo x >a/b/c; chmod 755 a/b/c; ln -s /etc/passwd link;"
	                    "mkdir empty; head -c 5000 /dev/urandom >large"));
	CHECK(shell_as(&user, home,
	               "mkdir -p talks/at-first/deep talks/day; echo hi >talks/at-first/deep/one; "
	               "echo on >talks/day/day; echo no >no",
	               NULL, 0));
	CHECK(snapshot_provider()->save(&of, fd, 1000, &image, &err) == ERR_TOO_LARGE);
	CHECK(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	if (CHECK_OK(snapshot_provider()->save(&of, fd, 1 << 20, &image, &err), &err)) {
		of.ws = &second;
		of.home = other;
		CHECK(image.has_home && image.bytes > 5000 && image.head[0] == '\0');
		CHECK_OK(snapshot_find(STR_LIT("git"))->load(&of, fd, &image, &rename, &err), &err);
		CHECK(agent(&second, "[ -x a/b/c ] && [ $(cat a/b/c) = x ] && "
		                     "[ $(readlink link) = /etc/passwd ] && [ ! -e empty ] && "
		                     "[ $(wc -c <large) = 5000 ]"));
		CHECK(shell_as(&user, other,
		               "[ $(cat talks/at-last/deep/one) = hi ] && [ ! -e no ] && "
		               "[ ! -e talks/at-first ] && [ $(cat talks/day/day-7) = on ] && "
		               "[ ! -e talks/day/day ]",
		               NULL, 0));
	}
	(void)close(fd);
	drop(&first);
	drop(&second);
}

/* ---- in the repository of a task ---- */

/* One that its workspace is in; the caller closes ret_fd. */
static bool take_one(const struct workspace *ws, const char *script, struct snapshot_image *image,
                     int *ret_fd)
{
	static const char *const kept[] = { ".", NULL };
	char home[PATH_SIZE];
	const struct snapshot_of of = { .all = all, .ws = ws, .home = home, .kept = kept };
	struct err err;

	(void)snprintf(home, sizeof(home), "%s/speaker", dir);
	*ret_fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	return CHECK(*ret_fd >= 0) && agent(ws, script) &&
	       CHECK_OK(snapshot_provider()->save(&of, *ret_fd, 1 << 20, image, &err), &err);
}

static enum err_code put(const struct snapshot_origin *at, const struct workspace *ws,
                         const char *script, bool with_home)
{
	struct snapshot_image image;
	char facts[1024], ref[SNAPSHOT_REF_SIZE];
	struct err err = { .code = ERR_BACKEND };
	enum err_code code = ERR_BACKEND;
	int fd;

	if (take_one(ws, script, &image, &fd)) {
		(void)snprintf(
			facts, sizeof(facts),
			"{\"base\":\"%s\",\"agent_session\":\"a\",\"image\":{\"tree\":\"%s\","
			"\"head\":\"%s\",\"head_branch\":\"%s\"}}",
			ws->base, image.tree, image.head, image.head_branch);
		code = snapshot_origin_put(at, ws, fd, &image, with_home, str_of(facts), ref, &err);
		CHECK(code == ERR_OK || code == ERR_FENCED || code == ERR_CONFLICT);
	}
	(void)close(fd);
	return code;
}

static bool refs_are(const struct id *sid, const char *epochs)
{
	char script[SCRIPT_MAX];

	(void)snprintf(script, sizeof(script),
	               "cd repo; [ \"$(git for-each-ref --format='%%(refname)' refs/fairlead/%s | "
	               "sed 's/.*snapshots.//' | tr '\\n' ' ')\" = '%s' ]",
	               sid->s, epochs);
	return shell(dir, script);
}

/* Found by another host, and unpacked there. */
static void restore(const struct snapshot_origin *at, const struct workspace_request *request,
                    const char *script)
{
	struct snapshot_found found = { .fd = -1 };
	struct workspace second;
	struct snapshot_of into = { .all = elsewhere, .ws = &second };
	struct snapshot_image image = { .has_home = false };
	struct buf facts;
	struct err err;

	buf_init(&facts, SNAPSHOT_FACTS_MAX);
	if (CHECK_OK(snapshot_origin_find(at, request, &found, &facts, &err), &err) &&
	    CHECK_OK(workspace_prepare(elsewhere, request, &second, &err), &err)) {
		memcpy(image.commit, found.commit, sizeof(image.commit));
		memcpy(image.head, second.base, sizeof(image.head));
		CHECK(memmem(facts.data, facts.len, "\"base\"", 6) != NULL);
		CHECK_OK(snapshot_provider()->load(&into, found.fd, &image, NULL, &err), &err);
		CHECK(agent(&second, script));
		CHECK_OK(workspace_remove(elsewhere, &second.session, &err), &err);
	}
	buf_fini(&facts);
	if (found.fd >= 0) {
		(void)close(found.fd);
	}
}

void a_snapshot_comes_by_the_repository_to_a_host_that_shares_nothing(struct loop *loop, void *arg)
{
	const struct workspace_request request = request_of("main", "");
	struct snapshot_origin first = { .all = all,
		                         .sid = request.session,
		                         .tenant = "t",
		                         .epoch = 3,
		                         .timeout_ms = 30000,
		                         .max_bytes = 1 << 20 };
	struct snapshot_origin second = first;
	struct snapshot_found found = { .fd = -1 };
	struct snapshot_left left = { .url = "" };
	char script[SCRIPT_MAX];
	struct workspace ws;
	struct buf facts;
	struct err err;

	(void)loop;
	(void)arg;
	buf_init(&facts, SNAPSHOT_FACTS_MAX);
	second.all = elsewhere;
	second.epoch = 5;
	(void)snprintf(script, sizeof(script),
	               "mkdir speaker; echo words >speaker/said; "
	               "chown -R %u:%u speaker; chmod 711 .",
	               user.drop ? user.uid : geteuid(), user.drop ? user.gid : getegid());
	if (!shell(dir, script) || !CHECK_OK(workspace_prepare(all, &request, &ws, &err), &err)) {
		return;
	}
	CHECK(snapshot_origin_find(&second, &request, &found, &facts, &err) == ERR_NOT_FOUND);
	CHECK(put(&first, &ws, "echo one >new; chmod 755 new", false) == ERR_OK);
	CHECK(put(&first, &ws, "echo two >>new; echo b >also", false) == ERR_OK);
	refs_are(&request.session, "3 ");
	(void)snprintf(script, sizeof(script),
	               "cd repo; [ \"$(git ls-tree --name-only refs/fairlead/%s/snapshots/3 | "
	               "tr '\\n' ' ')\" = 'facts.json workspace ' ]",
	               request.session.s);
	shell(dir, script); /* what the agent said is not there */
	restore(&second, &request, "[ -x new ] && [ $(wc -l <new) = 2 ] && [ -e also ]");
	refs_are(&request.session, "5 ");
	CHECK(put(&first, &ws, "echo late >new", false) == ERR_FENCED);
	refs_are(&request.session, "5 ");
	CHECK(snapshot_origin_find(&first, &request, &found, &facts, &err) == ERR_FENCED);
	second.epoch = 8;
	restore(&second, &request, "[ $(wc -l <new) = 2 ]");
	first.epoch = 9;
	CHECK(put(&first, &ws, "echo nine >new", true) == ERR_OK);
	refs_are(&request.session, "9 ");
	(void)snprintf(script, sizeof(script),
	               "cd repo; [ $(git show refs/fairlead/%s/snapshots/9:home/said) = words ]",
	               request.session.s);
	shell(dir, script);
	CHECK(snapshot_origin_next(elsewhere, &left) && id_eq(&left.sid, &request.session));
	CHECK(strcmp(left.tenant, "t") == 0 && strcmp(left.url, url) == 0);
	CHECK_OK(snapshot_origin_drop(elsewhere, &left, false, 30000, &err), &err);
	refs_are(&request.session, "");
	CHECK(!snapshot_origin_next(elsewhere, &(struct snapshot_left){ .age_ms = 0 }));
	CHECK_OK(snapshot_origin_drop(all, &left, false, 30000, &err), &err);
	buf_fini(&facts);
	drop(&ws);
}

/* Whoever may write refs there can make one up. */
void what_a_snapshot_of_a_repository_says_is_not_believed(struct loop *loop, void *arg)
{
	static const char *const lies[] = {
		"{\"base\":\"--upload-pack=x\",\"image\":{}}",
		"not json",
		"{\"base\":\"%\",\"image\":{\"tree\":\"%\",\"head\":\"%\",\"head_branch\":\"-"
		"d\"}}",
		"{\"base\":\"%\",\"agent_session\":\"--help\",\"image\":{\"tree\":\"%\",\"head\":"
		"\"%\"}}",
	};
	const char *const oid = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
	const struct workspace_request request = request_of("main", "");
	const struct snapshot_origin at = { .all = elsewhere,
		                            .sid = request.session,
		                            .tenant = "t",
		                            .epoch = 3,
		                            .timeout_ms = 30000,
		                            .max_bytes = 1 << 20 };
	struct snapshot_found found = { .fd = -1 };
	char script[SCRIPT_MAX];
	struct buf facts;
	struct err err;

	(void)loop;
	(void)arg;
	for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
		struct str rest = str_of(lies[i]);
		struct buf lie;

		buf_init(&lie, 1024);
		while (rest.n > 0) {
			buf_add_str(&lie, str_split(&rest, '%'));
			buf_add_cstr(&lie, rest.n > 0 ? oid : "");
		}
		buf_add_char(&lie, '\0');
		(void)snprintf(script, sizeof(script),
		               "cd repo; b=$(printf '%%s' '%s' | git hash-object -w --stdin); "
		               "t=$(printf '100644 blob %%s\\tfacts.json\\n' $b | git mktree); "
		               "git update-ref refs/fairlead/%s/snapshots/2 $(git commit-tree $t "
		               "</dev/null)",
		               lie.data, request.session.s);
		buf_fini(&lie);
		buf_init(&facts, SNAPSHOT_FACTS_MAX);
		if (shell(dir, script)) {
			CHECK(snapshot_origin_find(&at, &request, &found, &facts, &err) ==
			      ERR_INVALID);
			CHECK(found.fd < 0);
		}
		buf_fini(&facts);
	}
}

/* What the files of test_workspace share: a folder with a repository, two hosts' workspaces, and an
 * agents' user. All but the checks belong on a fiber. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "worker/workspace.h"

enum { SCRIPT_MAX = 4096, PATH_SIZE = 1024 };

extern char dir[];                   /* of the test */
extern char url[PATH_SIZE];          /* a repository in it: dir/repo */
extern struct process_user user;     /* the agents' */
extern struct workspaces *all;       /* of one host */
extern struct workspaces *elsewhere; /* of another */

#define CHECK(condition)    check((condition), #condition, __LINE__)
#define CHECK_OK(code, err) check_ok((code), (err), __LINE__)

/* The first that is not true fails the test when its fiber has ended. */
bool check(bool condition, const char *what, int line);
bool check_ok(enum err_code code, const struct err *err, int line);

/* A script; as the agents' user when asked. Its first line of output, if out is not NULL. */
bool shell_as(const struct process_user *who, const char *cwd, const char *script, char *out,
              size_t size);
bool shell(const char *cwd, const char *script);
bool agent(const struct workspace *ws, const char *script); /* in its workspace */

struct workspace_request request_of(const char *branch, const char *commit);
void drop(const struct workspace *ws);

/* workspace_origin.c */
struct loop;
void a_snapshot_is_unpacked_under_another_path(struct loop *loop, void *arg);
void a_snapshot_comes_by_the_repository_to_a_host_that_shares_nothing(struct loop *loop, void *arg);
void what_a_snapshot_of_a_repository_says_is_not_believed(struct loop *loop, void *arg);

#include "guard/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

enum {
	STAT_MAX = 1024,
	ROUNDS_MAX = 256, /* of one freeze; the caller comes back anyway */
	ROUNDS_AT_ONCE = 4,
	PAUSE_NS = 1000000,
	WALK_MAX = 1 << 20,
	/* Fields of proc_pid_stat(5), counted from the state, which is field 3. */
	FIELD_PARENT = 1,
	FIELD_THREADS = 17,
	FIELD_START = 19,
};

void tree_fini(struct tree *tree)
{
	free(tree->all);
	free(tree->held);
	memset(tree, 0, sizeof(*tree));
}

/* The name of the command may hold spaces and brackets: what follows its last ')' is regular. */
bool tree_parse_stat(const char *line, size_t len, struct tree_process *ret)
{
	struct tree_process found = { 0 };
	struct str rest = str_trim(str_make(line, len)), pid = str_split(&rest, ' ');
	const char *close = rest.n > 0 ? memrchr(rest.p, ')', rest.n) : NULL;
	uint64_t value;

	if (!parse_u64(pid, INT32_MAX, &value) || close == NULL || close + 2 >= rest.p + rest.n) {
		return false;
	}
	found.pid = (pid_t)value;
	rest = str_make(close + 2, (size_t)(rest.p + rest.n - close) - 2);
	for (int i = 0; i <= FIELD_START; i++) {
		struct str field = str_split(&rest, ' ');

		if (i == 0 && field.n == 1) {
			found.state = field.p[0];
		} else if (i == FIELD_PARENT && parse_u64(field, INT32_MAX, &value)) {
			found.parent = (pid_t)value;
		} else if (i == FIELD_THREADS && parse_u64(field, INT32_MAX, &value)) {
			found.threads = (unsigned)value;
		} else if (i == FIELD_START && parse_u64(field, UINT64_MAX, &value)) {
			found.start = value;
			*ret = found;
			return true;
		} else if (field.n == 0 || i == 0 || i == FIELD_PARENT || i == FIELD_THREADS) {
			return false;
		}
	}
	return false;
}

static bool read_stat(pid_t pid, struct tree_process *ret)
{
	char path[64], line[STAT_MAX];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return false;
	}
	n = read(fd, line, sizeof(line));
	(void)close(fd);
	return n > 0 && tree_parse_stat(line, (size_t)n, ret) && ret->pid == pid;
}

static void append(struct tree_process **list, size_t *count, size_t *size,
                   const struct tree_process *one)
{
	if (*count == *size) {
		*size = *size == 0 ? 64 : *size * 2;
		*list = mem_realloc(*list, *size * sizeof(**list));
	}
	(*list)[(*count)++] = *one;
}

/* ---- all of /proc ---- */

static int by_pid(const void *a, const void *b)
{
	const struct tree_process *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

static struct tree_process *find(struct tree_process *list, size_t count, pid_t pid)
{
	struct tree_process key = { .pid = pid };

	return count > 0 ? bsearch(&key, list, count, sizeof(key), by_pid) : NULL;
}

/* Marks spread from parents to children; process ids may wrap, so it takes as many turns as a chain
 * has links out of order. */
static void mark_descendants(struct tree *tree, pid_t root)
{
	bool changed = true;

	while (changed) {
		changed = false;
		for (size_t i = 0; i < tree->count; i++) {
			struct tree_process *p = &tree->all[i], *parent;

			if (p->descendant) {
				continue;
			}
			parent = find(tree->all, tree->count, p->parent);
			if (p->parent == root || (parent != NULL && parent->descendant)) {
				p->descendant = changed = true;
			}
		}
	}
}

static void scan_all(struct tree *tree)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	tree->count = 0;
	if (proc == NULL) {
		return;
	}
	while ((entry = readdir(proc)) != NULL) {
		struct tree_process one;
		uint64_t pid;

		if (parse_u64(str_of(entry->d_name), INT32_MAX, &pid) &&
		    read_stat((pid_t)pid, &one)) {
			append(&tree->all, &tree->count, &tree->size, &one);
		}
	}
	(void)closedir(proc);
	qsort(tree->all, tree->count, sizeof(*tree->all), by_pid);
	mark_descendants(tree, getpid());
}

/* ---- one by one: what a kernel lists of each task (proc_pid_task_children(5)) ---- */

/* What may not be read stays so. */
static bool is_gone(void)
{
	return errno == ENOENT || errno == ESRCH;
}

/* False: somebody came or went meanwhile. */
static bool add_children_in(struct tree *tree, const char *path, pid_t parent)
{
	FILE *file = fopen(path, "re");
	struct tree_process one;
	bool whole = file != NULL || !is_gone();
	int pid;

	while (file != NULL && tree->count < WALK_MAX && fscanf(file, "%d", &pid) == 1) {
		if (!read_stat((pid_t)pid, &one) || one.parent != parent) {
			whole = false; /* the number may be somebody else's by now */
			continue;
		}
		one.descendant = true;
		append(&tree->all, &tree->count, &tree->size, &one);
	}
	if (file != NULL) {
		(void)fclose(file);
	}
	return whole;
}

/* Each of its threads has children of its own. */
static bool add_children(struct tree *tree, pid_t parent)
{
	char path[64], list[128];
	DIR *tasks;
	const struct dirent *entry;
	bool whole;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)parent);
	tasks = opendir(path);
	whole = tasks != NULL || !is_gone();
	while (tasks != NULL && (entry = readdir(tasks)) != NULL) {
		uint64_t tid;

		if (parse_u64(str_of(entry->d_name), INT32_MAX, &tid)) {
			(void)snprintf(list, sizeof(list), "%s/%d/children", path, (int)tid);
			whole = add_children_in(tree, list, parent) && whole;
		}
	}
	if (tasks != NULL) {
		(void)closedir(tasks);
	}
	return whole;
}

/* Whether this kernel does. */
static bool lists_children(struct tree *tree)
{
	char path[64];

	if (tree->lists == 0) {
		(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)getpid(),
		               (int)getpid());
		tree->lists = access(path, R_OK) == 0 ? 1 : -1;
	}
	return tree->lists > 0;
}

/*
 * Who is there now. Only our own are looked at where the kernel tells: hundreds of guards whose
 * lease is over at the same time would else read all of /proc against each other, and against the
 * worker that is to renew it. False: they changed meanwhile.
 */
static bool scan(struct tree *tree)
{
	bool whole;

	if (!lists_children(tree)) {
		scan_all(tree);
		return true;
	}
	tree->count = 0;
	whole = add_children(tree, getpid());
	for (size_t i = 0; i < tree->count; i++) {
		/* Of a dead one they are somebody else's already. */
		whole = add_children(tree, tree->all[i].pid) && whole;
	}
	return whole;
}

/* False when it is not there any more. */
static bool send_signal(const struct tree_process *to, int signo)
{
	struct tree_process now;
	int fd = (int)syscall(SYS_pidfd_open, to->pid, 0);
	bool sent;

	if (fd < 0) {
		return false;
	}
	sent = read_stat(to->pid, &now) && now.start == to->start &&
	       syscall(SYS_pidfd_send_signal, fd, signo, NULL, 0) == 0;
	(void)close(fd);
	return sent;
}

static bool is_dead(const struct tree_process *p)
{
	return p->state == 'X' || (p->state == 'Z' && p->threads <= 1);
}

static bool is_stopped(const struct tree_process *p)
{
	return p->state == 'T' || p->state == 't';
}

static bool is_held(const struct tree *tree, const struct tree_process *p)
{
	for (size_t i = 0; i < tree->held_count; i++) {
		if (tree->held[i].pid == p->pid && tree->held[i].start == p->start) {
			return true;
		}
	}
	return false;
}

/* Everybody who may still run gets the signal. Someone held already is running again, or finishes
 * the system call he was in; the signal is harmless. Returns how many were not still yet: D is
 * still enough, a shell that waits in vfork() for a child that is stopped stays there. */
static size_t stop_round(struct tree *tree)
{
	size_t moving = scan(tree) ? 0 : 1;

	for (size_t i = 0; i < tree->count; i++) {
		struct tree_process *p = &tree->all[i];
		bool held;

		if (!p->descendant || is_dead(p) || is_stopped(p)) {
			continue;
		}
		held = is_held(tree, p);
		if (!send_signal(p, SIGSTOP)) {
			continue;
		}
		if (!held) {
			append(&tree->held, &tree->held_count, &tree->held_size, p);
		}
		moving += !held || (p->state != 'D' && p->state != 'Z');
	}
	return moving;
}

void tree_freeze(struct tree *tree)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	unsigned clean = 0;

	/* One clean scan is not enough: a process whose parent died while /proc was read
	 * belongs to nobody in that picture. */
	for (unsigned round = 0; round < ROUNDS_MAX && clean < 2; round++) {
		if (stop_round(tree) == 0) {
			clean++;
			continue;
		}
		clean = 0;
		if (round >= ROUNDS_AT_ONCE) { /* they need a processor to stop on */
			(void)nanosleep(&pause, NULL);
		}
	}
}

void tree_thaw(struct tree *tree)
{
	for (size_t i = tree->held_count; i > 0; i--) {
		(void)send_signal(&tree->held[i - 1], SIGCONT);
	}
	tree->held_count = 0;
}

void tree_signal(struct tree *tree, int signo)
{
	(void)scan(tree);
	for (size_t i = 0; i < tree->count; i++) {
		if (tree->all[i].descendant && !is_dead(&tree->all[i])) {
			(void)send_signal(&tree->all[i], signo);
		}
	}
}

void tree_kill(struct tree *tree)
{
	tree_freeze(tree);
	tree_signal(tree, SIGKILL);
}

/*
 * `fairlead admin backup` and `fairlead admin restore`: all of PostgreSQL in a folder, and an empty
 * database made of it again.  Redis is not in it: it is rebuilt from PostgreSQL (docs/upgrade.md).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit.h"
#include "audit/audit_check.h"
#include "base/clock.h"
#include "cli/admin.h"
#include "cli/backup.h"
#include "cli/backup_behind.h"
#include "cli/home.h"
#include "cli/service.h"
#include "event/log.h"
#include "pg/environ.h"
#include "pg/schema.h"
#include "pg/snapshot.h"
#include "redis/redis.h"

enum {
	CONNECT_MS = 15000,
	COUNT_MS = 60 * 60 * 1000,     /* for one statement that reads all tables */
	TOOL_MS = 24 * 60 * 60 * 1000, /* for pg_dump and pg_restore */
	REDIS_MS = 5000,
	WAIT_S = 30,
};

/* What a backup and its restoring have at hand. */
struct job {
	struct call *call;
	struct arena *arena;
	struct pg *pg; /* beside that of the act and its record: it may be held for long */
	const char *dir;
	struct backup backup;
};

static const char *path_of(const struct job *job, const char *name)
{
	return arena_printf(job->arena, "%s/%s", job->dir, name);
}

/* ---- PostgreSQL's own programs ---- */

static enum err_code run_with(struct service *tool, const struct pg_environ *env,
                              const char *const *argv, struct err *err)
{
	fiber_signal_init(&tool->ended);
	for (size_t i = 0; argv[i] != NULL; i++) {
		service_arg(tool, argv[i]);
	}
	for (size_t i = 0; i < env->count; i++) {
		service_env(tool, env->pairs[i]);
	}
	return service_run(tool, TOOL_MS, err);
}

/* What it prints is not kept beside the backup, which may be where nothing can be written. */
static enum err_code run_tool(const struct job *job, const char *const *argv, struct err *err)
{
	char log[] = "/tmp/fairlead-backup.XXXXXX";
	struct service tool = { .name = argv[0], .stop_signal = SIGTERM, .log_path = log };
	struct pg_environ env;
	enum err_code code = pg_environ(admin_local(job->call)->pg_url, &env, err);
	int fd = code == ERR_OK ? mkstemp(log) : -1;

	if (code != ERR_OK) {
		return code;
	}
	if (fd >= 0) {
		(void)close(fd);
		code = run_with(&tool, &env, argv, err);
		(void)unlink(log);
	} else {
		code = err_set(err, ERR_UNAVAILABLE, "cannot make %s: %s", log, strerror(errno));
	}
	pg_environ_fini(&env);
	return code;
}

/* ---- backup ---- */

static bool is_empty(const char *dir)
{
	DIR *entries = opendir(dir);
	const struct dirent *entry;
	size_t count = 0;

	while (entries != NULL && (entry = readdir(entries)) != NULL) {
		count += entry->d_name[0] != '.' ? 1 : 0;
	}
	if (entries != NULL) {
		(void)closedir(entries);
	}
	return entries != NULL && count == 0;
}

static enum err_code find_folder(struct job *job, struct err *err)
{
	const char *word = job->call->words[0];
	char *real = realpath(word, NULL);

	if (real == NULL) {
		return err_set(err, ERR_NOT_FOUND, "%s: %s", word, strerror(errno));
	}
	job->dir = arena_strdup(job->arena, str_of(real));
	free(real);
	return ERR_OK;
}

static enum err_code make_folder(struct job *job, struct err *err)
{
	const char *word = job->call->words[0];
	enum err_code code = home_make_parents(word, err);

	if (code != ERR_OK) {
		return code;
	}
	if (mkdir(word, 0700) != 0 && errno != EEXIST) {
		return err_set(err, ERR_UNAVAILABLE, "cannot make %s: %s", word, strerror(errno));
	}
	code = find_folder(job, err);
	if (code == ERR_OK && !is_empty(job->dir)) {
		return err_set(err, ERR_CONFLICT, "%s must be empty, or not be there yet", word);
	}
	return code;
}

static void note_tables(struct job *job, const struct pg_rows *rows)
{
	struct backup *backup = &job->backup;

	backup->table_count = pg_rows_count(rows);
	backup->tables =
		arena_take(job->arena, (backup->table_count + 1) * sizeof(*backup->tables));
	for (size_t i = 0; i < backup->table_count; i++) {
		backup->tables[i].name = arena_strdup(job->arena, pg_str(rows, i, 0));
		backup->tables[i].rows = pg_u64(rows, i, 1);
	}
}

static enum err_code look_into(struct job *job, struct pg_tx *tx, struct err *err)
{
	struct pg_rows *tables CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_rows *applied CLEANUP(pg_rows_cleanup) = NULL;
	enum err_code code = pg_applied(tx, &applied, err);

	if (code == ERR_OK && pg_rows_count(applied) == 0) {
		return err_set(err, ERR_NOT_FOUND, "there is no Fairlead in this database");
	}
	if (code == ERR_OK) {
		job->backup.migration =
			arena_strdup(job->arena, pg_str(applied, pg_rows_count(applied) - 1, 0));
		code = pg_tables(tx, &tables, err);
	}
	if (code == ERR_OK) {
		note_tables(job, tables);
	}
	return code;
}

/* The umask is that of a folder nobody else may read, for who copies it elsewhere. */
static enum err_code dump(struct job *job, const char *snapshot, struct err *err)
{
	const char *file = path_of(job, BACKUP_DUMP);
	const char *const argv[] = {
		"pg_dump",
		"--format=custom",
		"--no-owner",
		"--no-privileges",
		"--no-password",
		"--enable-row-security",
		"--file",
		file,
		"--snapshot",
		snapshot,
		NULL,
	};
	mode_t before = umask(077);
	enum err_code code = run_tool(job, argv, err);

	(void)umask(before);
	return code == ERR_OK ? backup_file_look(file, &job->backup.dump, err) : code;
}

static enum err_code copy_database(struct job *job, struct err *err)
{
	struct pg_tx *tx CLEANUP(pg_tx_cleanup) = NULL;
	char snapshot[PG_SNAPSHOT_SIZE];
	enum err_code code = pg_snapshot(job->pg, &tx, snapshot, err);

	if (code == ERR_OK) {
		code = look_into(job, tx, err);
	}
	return code == ERR_OK ? dump(job, snapshot, err) : code;
}

/* It and the dump are on the disk when this returns. */
static enum err_code write_manifest(const struct job *job, struct err *err)
{
	struct buf text;
	enum err_code code;
	int fd;

	buf_init(&text, BACKUP_MANIFEST_MAX);
	backup_write(&job->backup, &text);
	code = home_write(path_of(job, BACKUP_MANIFEST), 0600, NULL, buf_cstr(&text), text.len,
	                  err);
	buf_fini(&text);
	fd = code == ERR_OK ? open(job->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (code == ERR_OK && (fd < 0 || syncfs(fd) != 0)) {
		code = err_set(err, ERR_UNAVAILABLE, "%s: %s", job->dir, strerror(errno));
	}
	if (fd >= 0) {
		(void)close(fd);
	}
	return code;
}

static int tell(const struct job *job)
{
	const struct backup *backup = &job->backup;
	struct buf text;
	uint64_t rows = 0;

	if (call_has(job->call, OPTION_JSON)) {
		buf_init(&text, BACKUP_MANIFEST_MAX);
		backup_write(backup, &text);
		(void)fputs(buf_cstr(&text), stdout);
		buf_fini(&text);
		return EXIT_DONE;
	}
	for (size_t i = 0; i < backup->table_count; i++) {
		rows += backup->tables[i].rows;
	}
	(void)printf("%zu tables, %llu rows, %llu bytes, as of %s\n", backup->table_count,
	             (unsigned long long)rows, (unsigned long long)backup->dump.bytes,
	             backup->migration);
	if (!backup->behind.looked) {
		(void)printf("no Redis could be asked: what it had not given to the archive is not "
		             "in it\n");
	} else if (backup->behind.events > 0) {
		(void)printf("only in Redis: %llu events of %llu sessions\n",
		             (unsigned long long)backup->behind.events,
		             (unsigned long long)backup->behind.sessions);
	}
	return EXIT_DONE;
}

static enum err_code back_up(struct job *job, struct err *err)
{
	struct local *local = admin_local(job->call);
	uint64_t wait_s =
		call_has(job->call, OPTION_WAIT) ? job->call->said[OPTION_WAIT].number : WAIT_S;
	struct cred_pepper pepper;
	enum err_code code = admin_pepper(job->call, &pepper, err);

	if (code == ERR_OK) {
		code = make_folder(job, err);
	}
	if (code == ERR_OK) {
		code = backup_await_archive(local, wait_s * 1000, &job->backup.behind, err);
	}
	job->backup.version = FAIRLEAD_VERSION;
	job->backup.protocol = pg_schema.protocol;
	job->backup.made_us = clock_wall_us();
	job->backup.pepper = backup_pepper_mark(&pepper, job->arena);
	if (code == ERR_OK) {
		code = copy_database(job, err);
	}
	/* Who took a copy of everything is written down before it is one. */
	if (code == ERR_OK) {
		code = admin_settle(job->call, "backup", job->dir, err);
	}
	return code == ERR_OK ? write_manifest(job, err) : code;
}

/* ---- restore ---- */

static enum err_code read_manifest(struct job *job, struct err *err)
{
	char *text = arena_take(job->arena, BACKUP_MANIFEST_MAX);
	const char *path = path_of(job, BACKUP_MANIFEST);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, BACKUP_MANIFEST_MAX) : -1;

	if (fd >= 0) {
		(void)close(fd);
	}
	if (n < 0) {
		return err_set(err, ERR_NOT_FOUND, "%s: %s; without it this is no whole backup",
		               path, strerror(errno));
	}
	return backup_read(str_make(text, (size_t)n), job->arena, &job->backup, err);
}

static bool is_known(const char *migration)
{
	bool known = false;

	for (size_t i = 0; i < pg_schema.count; i++) {
		known = known || strcmp(pg_schema.files[i].name, migration) == 0;
	}
	return known;
}

/* Is the folder what was written, and for this program and this secret? */
static enum err_code check_folder(struct job *job, struct err *err)
{
	const struct backup *backup = &job->backup;
	struct backup_file dump;
	struct cred_pepper pepper;
	enum err_code code = admin_pepper(job->call, &pepper, err);

	if (code == ERR_OK) {
		code = read_manifest(job, err);
	}
	if (code == ERR_OK) {
		code = backup_file_look(path_of(job, BACKUP_DUMP), &dump, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	if (dump.bytes != backup->dump.bytes || strcmp(dump.sha256, backup->dump.sha256) != 0) {
		return err_set(err, ERR_CONFLICT, "%s is not what was written: it was damaged",
		               BACKUP_DUMP);
	}
	if (!is_known(backup->migration)) {
		return err_set(err, ERR_UNSUPPORTED,
		               "it was made by a later version (%s, with %s); restore it with that",
		               backup->version, backup->migration);
	}
	if (strcmp(backup_pepper_mark(&pepper, job->arena), backup->pepper) != 0) {
		return err_set(err, ERR_FORBIDDEN,
		               "the pepper is not the one of the backup: no key, password or "
		               "secret in it would be good");
	}
	return ERR_OK;
}

/* One that knows of later history would be believed rather than this database. */
static enum err_code check_redis(const struct job *job, struct err *err)
{
	struct redis *redis = local_redis(admin_local(job->call), REDIS_MS);
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code = ERR_OK;

	if (redis == NULL) {
		(void)fprintf(stderr, "fairlead: no Redis is known here; it has to be empty before "
		                      "anything starts\n");
		return ERR_OK;
	}
	redis_arg_cstr(cmd, "EXISTS");
	redis_arg_cstr(cmd, LOG_MARK_KEY);
	if ((code = redis_wait_connected(redis, REDIS_MS, err)) == ERR_OK) {
		code = redis_call(redis, cmd, &reply, err);
	}
	if (code == ERR_OK && redis_reply_int(reply) != 0) {
		code = err_set(err, ERR_CONFLICT,
		               "Redis is in use by Fairlead: stop all nodes and workers and empty "
		               "it (FLUSHALL)");
	}
	redis_free(redis);
	return code;
}

static enum err_code count_tables(const struct job *job, struct pg_rows **ret, struct err *err)
{
	struct pg_tx *tx CLEANUP(pg_tx_cleanup) = NULL;
	enum err_code code = pg_begin(job->pg, "", &tx, err);

	return code == ERR_OK ? pg_tables(tx, ret, err) : code;
}

static enum err_code check_database(const struct job *job, struct err *err)
{
	struct pg_rows *tables CLEANUP(pg_rows_cleanup) = NULL;
	enum err_code code = count_tables(job, &tables, err);

	if (code == ERR_OK && pg_rows_count(tables) > 0) {
		return err_set(err, ERR_CONFLICT, "the database must be empty; it has %zu tables",
		               pg_rows_count(tables));
	}
	return code;
}

static enum err_code load(const struct job *job, struct err *err)
{
	/* The name is in the environment; a connection string that says nothing is what makes
	 * pg_restore connect. */
	const char *const argv[] = {
		"pg_restore",
		"--exit-on-error",
		"--single-transaction",
		"--no-owner",
		"--no-privileges",
		"--no-password",
		"--dbname",
		"fallback_application_name=fairlead",
		path_of(job, BACKUP_DUMP),
		NULL,
	};

	return run_tool(job, argv, err);
}

static enum err_code compare_tables(const struct job *job, struct err *err)
{
	const struct backup *backup = &job->backup;
	struct pg_rows *tables CLEANUP(pg_rows_cleanup) = NULL;
	enum err_code code = count_tables(job, &tables, err);

	if (code != ERR_OK) {
		return code;
	}
	if (pg_rows_count(tables) != backup->table_count) {
		return err_set(err, ERR_CONFLICT, "it has %zu tables and should have %zu",
		               pg_rows_count(tables), backup->table_count);
	}
	for (size_t i = 0; i < backup->table_count; i++) {
		const struct backup_table *table = &backup->tables[i];

		if (!str_eq(pg_str(tables, i, 0), str_of(table->name)) ||
		    pg_u64(tables, i, 1) != table->rows) {
			return err_set(err, ERR_CONFLICT,
			               "table %s has %llu rows and should have %llu", table->name,
			               (unsigned long long)pg_u64(tables, i, 1),
			               (unsigned long long)table->rows);
		}
	}
	return ERR_OK;
}

static void on_flaw(void *arg, const char *chain, uint64_t n, const char *what)
{
	(void)arg;
	(void)fprintf(stderr, "FLAW  %s: row %llu %s\n", chain, (unsigned long long)n, what);
}

static void on_checked(void *arg, const struct audit_end *end, bool is_whole)
{
	(void)arg;
	(void)end;
	(void)is_whole;
}

static enum err_code check_audit(const struct job *job, struct err *err)
{
	struct cred_pepper pepper, key;
	const struct audit_check check = {
		.pg = job->pg, .key = &key, .found = on_flaw, .checked = on_checked
	};
	uint64_t flaws = 0;
	enum err_code code = admin_pepper(job->call, &pepper, err);

	if (code != ERR_OK) {
		return code;
	}
	key = audit_key(&pepper);
	code = audit_check(&check, &flaws, err);
	if (code == ERR_OK && flaws > 0) {
		return err_set(err, ERR_CONFLICT, "the audit has %llu flaws",
		               (unsigned long long)flaws);
	}
	return code;
}

static enum err_code verify(const struct job *job, struct err *err)
{
	enum err_code code = compare_tables(job, err);

	if (code == ERR_OK) {
		code = check_audit(job, err);
	}
	return code == ERR_OK ? ERR_OK
	                      : err_wrap(err, "restored, but it is not what was backed up");
}

static enum err_code restore(struct job *job, struct err *err)
{
	static enum err_code (*const steps[])(const struct job *job,
	                                      struct err *err) = { check_redis, check_database,
		                                                   load, verify };
	enum err_code code = find_folder(job, err);

	if (code == ERR_OK) {
		code = check_folder(job, err);
	}
	for (size_t i = 0; code == ERR_OK && i < ARRAY_LEN(steps); i++) {
		code = steps[i](job, err);
	}
	return code == ERR_OK ? admin_settle(job->call, "backup", job->dir, err) : code;
}

/* ---- verbs ---- */

static int run(struct call *call, enum err_code (*act)(struct job *job, struct err *err))
{
	const struct local *local = admin_local(call);
	const struct pg_options options = { .url = local->pg_url,
		                            .pool_max = 1,
		                            .acquire_timeout_ms = CONNECT_MS,
		                            .statement_timeout_ms = COUNT_MS };
	struct job job = { .call = call,
		           .arena = admin_arena(call),
		           .pg = pg_new(local->loop, &options) };
	struct err err;
	int status = act(&job, &err) == ERR_OK ? tell(&job) : admin_fail(&err);

	pg_free(job.pg);
	return status;
}

static int run_backup(struct call *call)
{
	return run(call, back_up);
}

static int run_restore(struct call *call)
{
	return run(call, restore);
}

static const struct verb verbs[] = {
	{ "backup",
	  "DIR",
	  1,
	  1,
	  run_backup,
	  "Copy the database into a folder that is empty, while everything runs.",
	  { OPTION_WAIT, OPTION_JSON } },
	{ "restore",
	  "DIR",
	  1,
	  1,
	  run_restore,
	  "Fill an empty database from such a folder, while nothing runs.",
	  { OPTION_JSON } },
};

const struct verb_group admin_backup = {
	.command = "admin",
	.verbs = verbs,
	.count = ARRAY_LEN(verbs),
	.around = admin_around,
	.notes =
		"Both need pg_dump and pg_restore (postgresql-client) of the server's version or a "
		"later one.\nThe pepper is not in a backup; without it a backup is of no use: keep "
		"it elsewhere.\n",
};

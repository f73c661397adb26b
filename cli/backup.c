#include "cli/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "json/value.h"
#include "json/write.h"

enum { READ_SIZE = 256 * 1024 };

void backup_write(const struct backup *backup, struct buf *out)
{
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_u64(&w, "format", BACKUP_FORMAT);
	jsonw_cstr(&w, "version", backup->version);
	jsonw_u64(&w, "protocol", backup->protocol);
	jsonw_cstr(&w, "migration", backup->migration);
	jsonw_time(&w, "madeAt", backup->made_us);
	jsonw_cstr(&w, "pepper", backup->pepper);
	jsonw_object(&w, "dump");
	jsonw_cstr(&w, "file", BACKUP_DUMP);
	jsonw_u64(&w, "bytes", backup->dump.bytes);
	jsonw_cstr(&w, "sha256", backup->dump.sha256);
	jsonw_end_object(&w);
	if (backup->behind.looked) {
		jsonw_object(&w, "onlyInRedis");
		jsonw_u64(&w, "sessions", backup->behind.sessions);
		jsonw_u64(&w, "events", backup->behind.events);
		jsonw_end_object(&w);
	}
	jsonw_array(&w, "tables");
	for (size_t i = 0; i < backup->table_count; i++) {
		jsonw_object(&w, NULL);
		jsonw_cstr(&w, "name", backup->tables[i].name);
		jsonw_u64(&w, "rows", backup->tables[i].rows);
		jsonw_end_object(&w);
	}
	jsonw_end_array(&w);
	jsonw_end_object(&w);
	buf_add_char(out, '\n');
}

static const char *text_of(const struct json_value *object, const char *name, struct arena *arena)
{
	return arena_strdup(arena, json_as_str(json_get(object, name)));
}

static uint64_t number_of(const struct json_value *object, const char *name)
{
	int64_t number = json_as_i64(json_get(object, name));

	return number > 0 ? (uint64_t)number : 0;
}

static void read_tables(const struct json_value *list, struct arena *arena, struct backup *ret)
{
	ret->table_count = json_count(list);
	ret->tables = arena_take(arena, (ret->table_count + 1) * sizeof(*ret->tables));
	for (size_t i = 0; i < ret->table_count; i++) {
		ret->tables[i].name = text_of(json_at(list, i), "name", arena);
		ret->tables[i].rows = number_of(json_at(list, i), "rows");
	}
}

enum err_code backup_read(struct str text, struct arena *arena, struct backup *ret, struct err *err)
{
	CLEANUP(json_value_cleanup) struct json_value *root = json_parse(text, err);
	const struct json_value *dump = json_get(root, "dump");
	const struct json_value *behind = json_get(root, "onlyInRedis");

	if (root == NULL) {
		return err_wrap(err, "%s", BACKUP_MANIFEST);
	}
	if (number_of(root, "format") != BACKUP_FORMAT) {
		return err_set(err, ERR_INVALID, "%s: \"format\" must be %d", BACKUP_MANIFEST,
		               BACKUP_FORMAT);
	}
	*ret = (struct backup){
		.version = text_of(root, "version", arena),
		.protocol = (unsigned)number_of(root, "protocol"),
		.migration = text_of(root, "migration", arena),
		.pepper = text_of(root, "pepper", arena),
		.dump = { .bytes = number_of(dump, "bytes") },
		.behind = { .looked = behind != NULL,
		            .sessions = number_of(behind, "sessions"),
		            .events = number_of(behind, "events") },
	};
	read_tables(json_get(root, "tables"), arena, ret);
	if (!str_copy(ret->dump.sha256, sizeof(ret->dump.sha256),
	              json_as_str(json_get(dump, "sha256"))) ||
	    !clock_parse(json_as_str(json_get(root, "madeAt")), &ret->made_us) ||
	    ret->migration[0] == '\0' || ret->table_count == 0) {
		return err_set(err, ERR_INVALID,
		               "%s: \"madeAt\", \"migration\", \"tables\" and \"dump\" must be as "
		               "backup writes them",
		               BACKUP_MANIFEST);
	}
	return ERR_OK;
}

const char *backup_pepper_mark(const struct cred_pepper *pepper, struct arena *arena)
{
	const struct str part = STR_LIT("fairlead backup");
	const struct cred_digest digest = cred_digest(&part, 1, pepper);
	char *hex = arena_take(arena, 2 * CRED_DIGEST_SIZE + 1);

	cred_digest_hex(&digest, hex);
	return hex;
}

static void to_hex(const unsigned char *bytes, char out[BACKUP_HEX_SIZE])
{
	for (size_t i = 0; i < CRED_SHA256_SIZE; i++) {
		(void)snprintf(out + 2 * i, 3, "%02x", bytes[i]);
	}
}

enum err_code backup_file_look(const char *path, struct backup_file *ret, struct err *err)
{
	struct cred_sha256 *hash = cred_sha256_new();
	unsigned char digest[CRED_SHA256_SIZE];
	char *bytes = mem_calloc(1, READ_SIZE);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	*ret = (struct backup_file){ .bytes = 0 };
	while (fd >= 0 && (n = read(fd, bytes, READ_SIZE)) > 0) {
		cred_sha256_add(hash, str_make(bytes, (size_t)n));
		ret->bytes += (uint64_t)n;
	}
	*err = (struct err){ .code = ERR_OK };
	if (n < 0) {
		(void)err_set(err, ERR_NOT_FOUND, "cannot read %s: %s", path, strerror(errno));
	}
	cred_sha256_end(hash, digest);
	to_hex(digest, ret->sha256);
	cred_sha256_free(hash);
	free(bytes);
	if (fd >= 0) {
		(void)close(fd);
	}
	return err->code;
}

#include "schedule/zone_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZONE_FOLDER "/usr/share/zoneinfo/"

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("_+-", c) != NULL);
}

/* No dots, so nothing outside of the folder; no dash first, as no name of the database has. */
const char *zone_check_name(struct str name)
{
	struct str rest = name;
	bool ok = name.n >= 1 && name.n <= ZONE_NAME_MAX;

	while (ok && rest.p != NULL) {
		struct str part = str_split(&rest, '/');

		ok = part.n > 0 && part.p[0] != '-';
		for (size_t i = 0; ok && i < part.n; i++) {
			ok = is_plain(part.p[i]);
		}
	}
	return ok ? NULL : "must be the name of a time zone, like Europe/Berlin or UTC";
}

/* Returns the bytes read, or -1. A file that fills the buffer is too large. */
static ssize_t read_file(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	size_t have = 0;
	ssize_t got = -1;
	struct stat st;

	if (fd < 0) {
		return -1;
	}
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		do {
			got = read(fd, out + have, size - have);
			have += got > 0 ? (size_t)got : 0;
		} while ((got > 0 && have < size) || (got < 0 && errno == EINTR));
	}
	(void)close(fd);
	return got < 0 || have == size ? -1 : (ssize_t)have;
}

enum err_code zone_load(struct str name, struct arena *arena, const struct zone **ret,
                        struct err *err)
{
	const char *rule = zone_check_name(name);
	char *bytes, *path;
	ssize_t n;

	if (rule != NULL) {
		return err_set(err, ERR_NOT_FOUND, "%s", rule);
	}
	if (str_eq(name, STR_LIT("UTC"))) {
		*ret = zone_utc();
		return ERR_OK;
	}
	bytes = arena_take(arena, ZONE_FILE_MAX);
	path = arena_printf(arena, "%s%" STR_FMT, ZONE_FOLDER, STR_ARG(name));
	n = read_file(path, bytes, ZONE_FILE_MAX);
	if (n < 0 || zone_parse(str_make(bytes, (size_t)n), arena, ret, err) != ERR_OK) {
		return err_set(err, ERR_NOT_FOUND, "must be the name of a time zone of the system");
	}
	return ERR_OK;
}

#include "cli/home.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"

enum { SPACE_MIN_MIB = 256, SOCKET_NAME_ROOM = 32, PORT_LAST = 32767 };

enum err_code home_path(char out[HOME_PATH_MAX], const char *dir, const char *name, struct err *err)
{
	int n = snprintf(out, HOME_PATH_MAX, "%s/%s", dir, name);

	if (n < 0 || n >= HOME_PATH_MAX) {
		return err_set(err, ERR_LIMIT, "the path %.60s.../%s is too long", dir, name);
	}
	return ERR_OK;
}

static enum err_code default_dir(bool root, char out[HOME_PATH_MAX], struct err *err)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	if (root) {
		return str_copy(out, HOME_PATH_MAX, STR_LIT(HOME_OF_ROOT)) ? ERR_OK : ERR_LIMIT;
	}
	if (state != NULL && state[0] == '/') {
		return home_path(out, state, "fairlead", err);
	}
	if (home == NULL || home[0] != '/') {
		return err_set(err, ERR_INVALID, "HOME is not set; set FAIRLEAD_HOME to a folder");
	}
	return home_path(out, home, ".local/state/fairlead", err);
}

enum err_code home_locate(const char *explicit_dir, struct home *ret, struct err *err)
{
	struct home home = { .root = geteuid() == 0 };
	const char *dir = explicit_dir != NULL ? explicit_dir : getenv("FAIRLEAD_HOME");
	bool standard = dir == NULL || dir[0] == '\0';
	enum err_code code;

	if (!standard && dir[0] != '/') {
		return err_set(err, ERR_INVALID, "FAIRLEAD_HOME must be an absolute path, not %s",
		               dir);
	}
	code = standard ? default_dir(home.root, home.dir, err)
	                : home_path(home.dir, strcmp(dir, "/") == 0 ? "" : dir, "", err);
	if (code != ERR_OK) {
		return code;
	}
	while (strlen(home.dir) > 1 && home.dir[strlen(home.dir) - 1] == '/') {
		home.dir[strlen(home.dir) - 1] = '\0';
	}
	if (home.root && strcmp(home.dir, HOME_OF_ROOT) == 0) {
		(void)str_copy(home.run, sizeof(home.run), STR_LIT("/run/fairlead"));
	} else if ((code = home_path(home.run, home.dir, "run", err)) != ERR_OK) {
		return code;
	}
	if (strlen(home.run) + SOCKET_NAME_ROOM > sizeof(((struct sockaddr_un *)0)->sun_path)) {
		return err_set(
			err, ERR_LIMIT,
			"FAIRLEAD_HOME is too long for socket names: %s; choose a shorter one",
			home.dir);
	}
	*ret = home;
	return ERR_OK;
}

static enum err_code find_user(const char *name, struct home_user *ret, struct err *err)
{
	const struct passwd *pw = getpwnam(name);

	if (pw == NULL) {
		return err_set(
			err, ERR_NOT_FOUND,
			"there is no user \"%s\"; deploy/up makes it, or: useradd --system %s",
			name, name);
	}
	ret->uid = pw->pw_uid;
	ret->gid = pw->pw_gid;
	(void)snprintf(ret->name, sizeof(ret->name), "%s", name);
	return ERR_OK;
}

static enum err_code own_user(struct home_user *ret)
{
	const struct passwd *pw = getpwuid(getuid());

	ret->uid = getuid();
	ret->gid = getgid();
	(void)snprintf(ret->name, sizeof(ret->name), "%s", pw != NULL ? pw->pw_name : "");
	return ERR_OK;
}

enum err_code home_make_parents(const char *path, struct err *err)
{
	char part[HOME_PATH_MAX];

	for (const char *at = strchr(path + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
		(void)str_copy(part, sizeof(part), str_make(path, (size_t)(at - path)));
		if (mkdir(part, 0755) != 0 && errno != EEXIST) {
			return err_set(err, ERR_UNAVAILABLE, "cannot make %s: %s", part,
			               strerror(errno));
		}
	}
	return ERR_OK;
}

static enum err_code make_dir(const char *path, mode_t mode, const struct home_user *owner,
                              struct err *err)
{
	bool ok;
	int fd;

	if (mkdir(path, mode) != 0 && errno != EEXIST) {
		return err_set(err, ERR_UNAVAILABLE, "cannot make %s: %s", path, strerror(errno));
	}
	/* The parent may be the service user's: a link there must not lead root elsewhere. */
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	ok = fd >= 0 && fchmod(fd, mode) == 0 &&
	     (owner == NULL || fchown(fd, owner->uid, owner->gid) == 0);
	if (!ok) {
		(void)err_set(err, ERR_UNAVAILABLE, "cannot set the owner of %s: %s", path,
		              strerror(errno));
	}
	if (fd >= 0) {
		(void)close(fd);
	}
	return ok ? ERR_OK : ERR_UNAVAILABLE;
}

static enum err_code check_space(const char *dir, struct err *err)
{
	struct statvfs fs;

	if (statvfs(dir, &fs) == 0 &&
	    fs.f_bavail * fs.f_frsize < UINT64_C(1024) * 1024 * SPACE_MIN_MIB) {
		return err_set(err, ERR_LIMIT,
		               "the disk of %s is full: %llu MiB free, at least %d MiB are needed",
		               dir, (unsigned long long)(fs.f_bavail * fs.f_frsize / 1024 / 1024),
		               SPACE_MIN_MIB);
	}
	return ERR_OK;
}

/* A parent folder that only root may enter would make PostgreSQL fail later with a riddle. */
static enum err_code check_reachable(const struct home *home, struct err *err)
{
	char part[HOME_PATH_MAX];
	struct stat st;

	for (const char *at = strchr(home->dir + 1, '/'); home->root && at != NULL;
	     at = strchr(at + 1, '/')) {
		(void)str_copy(part, sizeof(part), str_make(home->dir, (size_t)(at - home->dir)));
		if (stat(part, &st) == 0 && (st.st_mode & S_IXOTH) == 0 &&
		    st.st_uid != home->service.uid) {
			return err_set(err, ERR_FORBIDDEN,
			               "the user \"%s\" cannot reach %s because %s is closed to it",
			               home->service.name, home->dir, part);
		}
	}
	return ERR_OK;
}

enum err_code home_prepare(struct home *home, struct err *err)
{
	static const struct {
		const char *name;
		mode_t mode;
		bool service;
	} folders[] = {
		{ "redis", 0700, true }, { "postgres", 0700, true }, { "conf", 0750, true },
		{ "log", 0750, true },   { "worker", 0711, false },
	};
	char path[HOME_PATH_MAX];
	enum err_code code;

	code = home->root ? find_user("fairlead", &home->service, err) : own_user(&home->service);
	if (code == ERR_OK) {
		code = home->root ? find_user("fairlead-agent", &home->agent, err)
		                  : own_user(&home->agent);
	}
	if (code != ERR_OK || (code = home_make_parents(home->dir, err)) != ERR_OK ||
	    (code = make_dir(home->dir, 0711, &home->service, err)) != ERR_OK ||
	    (code = make_dir(home->run, 0711, &home->service, err)) != ERR_OK ||
	    (code = check_space(home->dir, err)) != ERR_OK ||
	    (code = check_reachable(home, err)) != ERR_OK) {
		return code;
	}
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		if ((code = home_path(path, home->dir, folders[i].name, err)) != ERR_OK ||
		    (code = make_dir(path, folders[i].mode,
		                     folders[i].service ? &home->service : NULL, err)) != ERR_OK) {
			return code;
		}
	}
	return ERR_OK;
}

enum err_code home_lock(const struct home *home, pid_t *ret_stale, struct err *err)
{
	char path[HOME_PATH_MAX], text[32] = "";
	enum err_code code = home_path(path, home->dir, "lock", err);
	uint64_t pid = 0;
	ssize_t n;
	int fd;

	if (code != ERR_OK) {
		return code;
	}
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0) {
		return err_set(err, ERR_UNAVAILABLE, "cannot open %s: %s", path, strerror(errno));
	}
	n = read(fd, text, sizeof(text) - 1);
	if (!parse_u64(str_make(text, n > 0 ? strcspn(text, "\n") : 0), INT32_MAX, &pid)) {
		pid = 0; /* a new lock, or one that was cut short */
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		(void)close(fd);
		return err_set(err, ERR_CONFLICT,
		               "another fairlead (process %llu) already runs in %s; stop it with: "
		               "fairlead down",
		               (unsigned long long)pid, home->dir);
	}
	n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n) {
		(void)close(fd);
		return err_set(err, ERR_UNAVAILABLE, "cannot write %s: %s", path, strerror(errno));
	}
	*ret_stale = (pid_t)pid;
	return ERR_OK;
}

/* A secret is there for good before anything depends on it. */
static bool sync_folder(const char *path)
{
	char folder[HOME_PATH_MAX];
	const char *slash = strrchr(path, '/');
	bool ok;
	int fd;

	(void)str_copy(folder, sizeof(folder),
	               slash != NULL ? str_make(path, (size_t)(slash - path) + 1) : STR_LIT("."));
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok = fd >= 0 && fsync(fd) == 0;
	if (fd >= 0) {
		(void)close(fd);
	}
	return ok;
}

enum err_code home_write(const char *path, mode_t mode, const struct home_user *owner,
                         const char *text, size_t len, struct err *err)
{
	char beside[HOME_PATH_MAX + 8];
	bool ok;
	int fd;

	(void)snprintf(beside, sizeof(beside), "%s.new", path);
	fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0) {
		return err_set(err, ERR_UNAVAILABLE, "cannot write %s: %s", beside,
		               strerror(errno));
	}
	ok = write(fd, text, len) == (ssize_t)len && fchmod(fd, mode) == 0 &&
	     (owner == NULL || geteuid() != 0 || fchown(fd, owner->uid, owner->gid) == 0) &&
	     fsync(fd) == 0; /* else the name could be there without what it names */
	ok = close(fd) == 0 && ok && rename(beside, path) == 0 && sync_folder(path);
	return ok ? ERR_OK
	          : err_set(err, ERR_UNAVAILABLE, "cannot write %s: %s", path, strerror(errno));
}

enum err_code home_secret(const struct home *home, const char *name, char out[HOME_SECRET_LEN + 1],
                          struct err *err)
{
	unsigned char random[HOME_SECRET_LEN / 2];
	char path[HOME_PATH_MAX];
	enum err_code code = home_path(path, home->dir, name, err);
	ssize_t n;
	int fd;

	if (code != ERR_OK) {
		return code;
	}
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT) {
		/* Never made anew: losing the pepper voids every key. */
		return err_set(err, ERR_UNAVAILABLE, "cannot read %s: %s", path, strerror(errno));
	}
	if (fd >= 0) {
		n = read(fd, out, HOME_SECRET_LEN);
		(void)close(fd);
		out[HOME_SECRET_LEN] = '\0';
		return n == HOME_SECRET_LEN ? ERR_OK
		                            : err_set(err, ERR_INVALID,
		                                      "%s is damaged: it must hold %d hex digits",
		                                      path, HOME_SECRET_LEN);
	}
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
		return err_set(err, ERR_INTERNAL, "no random bytes: %s", strerror(errno));
	}
	for (size_t i = 0; i < sizeof(random); i++) {
		(void)snprintf(out + 2 * i, 3, "%02x", random[i]);
	}
	return home_write(path, 0600, &home->service, out, HOME_SECRET_LEN, err);
}

bool home_port_free(uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		                   .sin_port = htons(port),
		                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	bool ok;

	/* With SO_REUSEADDR a connection in TIME_WAIT of our last run does not count as taken. */
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	ok = fd >= 0 && bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0 && listen(fd, 1) == 0;
	if (fd >= 0) {
		(void)close(fd);
	}
	return ok;
}

uint16_t home_free_port(uint16_t wanted)
{
	for (unsigned port = wanted; port <= PORT_LAST; port++) {
		if (home_port_free((uint16_t)port)) {
			return (uint16_t)port;
		}
	}
	return 0;
}

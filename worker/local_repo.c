#include "worker/local_repo.h"

#include <limits.h>
#include <stdlib.h>

#include "worker/git.h"

/* The real path of s, which need not end in NUL. */
static bool resolve(struct str s, char out[PATH_MAX])
{
	char path[PATH_MAX];

	return str_copy(path, sizeof(path), s) && realpath(path, out) != NULL;
}

static bool is_below(struct str path, struct str folder)
{
	if (str_eq(folder, STR_LIT("/"))) {
		return true;
	}
	return str_starts(path, folder) && (path.n == folder.n || path.p[folder.n] == '/');
}

enum err_code local_repo_check(const char *folders, struct str url, struct err *err)
{
	const struct str file = STR_LIT("file://");
	struct str rest = str_of(folders), path = url;
	char real[PATH_MAX], allowed[PATH_MAX];

	if (!git_url_is_local(url)) {
		return ERR_OK;
	}
	if (str_starts(url, file)) {
		path = str_make(url.p + file.n, url.n - file.n);
	}
	/* Git decodes these in a file:// URL, so it would open another path than the one looked at.
	 */
	if (path.p != url.p && memchr(path.p, '%', path.n) != NULL) {
		return err_set(err, ERR_FORBIDDEN, "a file:// URL must not contain %%");
	}
	if (!resolve(path, real)) {
		return err_set(err, ERR_NOT_FOUND, "there is no folder %" STR_FMT, STR_ARG(path));
	}
	while (rest.n > 0) {
		struct str folder = str_trim(str_split(&rest, ','));

		if (folder.n > 0 && resolve(folder, allowed) &&
		    is_below(str_of(real), str_of(allowed))) {
			return ERR_OK;
		}
	}
	return err_set(err, ERR_FORBIDDEN,
	               "%" STR_FMT " is not below a folder of the setting worker.local_repos",
	               STR_ARG(path));
}

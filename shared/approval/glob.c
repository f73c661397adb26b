#include "approval/glob.h"

#include <string.h>

#include "approval/rule.h"

/*
 * The pattern is followed at all its places at once.  A "**" that stands between slashes for whole
 * names has two places: at[] before a name, in[] inside of one.
 */
struct places {
	bool at[APPROVAL_PATTERN_MAX + 1];
	bool in[APPROVAL_PATTERN_MAX + 1];
};

static bool is_deep(struct str pattern, size_t i)
{
	return i + 1 < pattern.n && pattern.p[i] == '*' && pattern.p[i + 1] == '*';
}

/* It stands for none or any number of whole names, with the slash behind it. */
static bool is_whole(struct str pattern, size_t i)
{
	return is_deep(pattern, i) && i + 2 < pattern.n && pattern.p[i + 2] == '/' &&
	       (i == 0 || pattern.p[i - 1] == '/');
}

/* Where one may be without reading anything more. */
static void spread(struct str pattern, struct places *places)
{
	for (size_t i = 0; i < pattern.n; i++) {
		if (!places->at[i] || pattern.p[i] != '*') {
			continue;
		}
		places->at[i + (is_whole(pattern, i) ? 3 : is_deep(pattern, i) ? 2 : 1)] = true;
	}
}

static void step(struct str pattern, size_t i, char c, const struct places *from, struct places *to)
{
	if (from->in[i]) {
		to->at[i] = to->at[i] || c == '/';
		to->in[i] = to->in[i] || c != '/';
	}
	if (!from->at[i]) {
		return;
	}
	if (is_whole(pattern, i)) {
		to->in[i] = to->in[i] || c != '/';
	} else if (is_deep(pattern, i)) {
		to->at[i] = true;
	} else if (pattern.p[i] == '*') {
		to->at[i] = to->at[i] || c != '/';
	} else if (pattern.p[i] == c || (pattern.p[i] == '?' && c != '/')) {
		to->at[i + 1] = true;
	}
}

bool approval_glob_fits(struct str pattern, struct str path)
{
	struct places now, next;

	if (pattern.n > APPROVAL_PATTERN_MAX) {
		return false;
	}
	memset(&now, 0, sizeof(now));
	now.at[0] = true;
	spread(pattern, &now);
	for (size_t k = 0; k < path.n; k++) {
		memset(&next, 0, sizeof(next));
		for (size_t i = 0; i < pattern.n; i++) {
			step(pattern, i, path.p[k], &now, &next);
		}
		now = next;
		spread(pattern, &now);
	}
	return now.at[pattern.n];
}

/* ---- paths ---- */

/* One name more; ".." takes the last one away. False: there is none to take, or no room. */
static bool add_name(char *out, size_t size, size_t *n, struct str name)
{
	if (name.n == 0 || str_eq(name, STR_LIT("."))) {
		return true;
	}
	if (str_eq(name, STR_LIT(".."))) {
		if (*n == 0) {
			return false;
		}
		while (*n > 0 && out[*n - 1] != '/') {
			(*n)--;
		}
		*n -= *n > 0;
		return true;
	}
	if (*n + name.n + 2 > size) {
		return false;
	}
	if (*n > 0) {
		out[(*n)++] = '/';
	}
	memcpy(out + *n, name.p, name.n);
	*n += name.n;
	return true;
}

static bool shorten(struct str path, char *out, size_t size)
{
	size_t n = 0;

	if (size == 0 || memchr(path.p, '\0', path.n) != NULL) {
		return false;
	}
	while (path.n > 0) {
		if (!add_name(out, size, &n, str_split(&path, '/'))) {
			return false;
		}
	}
	out[n] = '\0';
	return true;
}

bool approval_path_below(struct str workspace, struct str path, char *out, size_t size)
{
	char whole[APPROVAL_PATH_MAX + 1], root[APPROVAL_PATH_MAX + 1];
	struct str rest;
	size_t n;

	if (path.n == 0 || path.n > APPROVAL_PATH_MAX) {
		return false;
	}
	if (path.p[0] != '/') {
		return path.p[0] != '~' && shorten(path, out, size);
	}
	if (workspace.n == 0 || !shorten(workspace, root, sizeof(root)) ||
	    !shorten(path, whole, sizeof(whole))) {
		return false;
	}
	rest = str_of(whole);
	n = strlen(root);
	if (n == 0 || !str_starts(rest, str_of(root)) || (rest.n > n && rest.p[n] != '/')) {
		return false;
	}
	n += rest.n > n;
	return str_copy(out, size, str_make(rest.p + n, rest.n - n));
}

#include "approval/words.h"

#include <string.h>

#include "base/attr.h"

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool approval_line_is_plain(struct str line)
{
	for (size_t i = 0; i < line.n; i++) {
		if (!is_letter(line.p[i]) &&
		    (line.p[i] == '\0' || strchr(" \t_-./:,@%+=", line.p[i]) == NULL)) {
			return false;
		}
	}
	return line.n > 0;
}

/* The next word; false: there is none. */
static bool next_word(struct str *rest, struct str *ret)
{
	size_t n = 0;

	*rest = str_trim(*rest);
	while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t') {
		n++;
	}
	*ret = str_make(rest->p, n);
	*rest = str_make(rest->p + n, rest->n - n);
	return n > 0;
}

bool approval_line_begins(struct str line, struct str prefix)
{
	struct str wanted, word;

	while (next_word(&prefix, &wanted)) {
		if (!next_word(&line, &word) || !str_eq(word, wanted)) {
			return false;
		}
	}
	return true;
}

bool approval_words_begin(const struct str *words, size_t count, struct str prefix)
{
	struct str wanted;
	size_t i = 0;

	while (next_word(&prefix, &wanted)) {
		if (i >= count || !str_eq(words[i++], wanted)) {
			return false;
		}
	}
	return true;
}

/* ---- looking into a line ---- */

enum { PIECE_MAX = 1024 };

static bool is_assignment(struct str word)
{
	size_t i = 0;

	while (i < word.n && (is_letter(word.p[i]) || word.p[i] == '_')) {
		i++;
	}
	return i > 0 && i < word.n && word.p[i] == '=';
}

/* Words that run what follows them. */
static bool is_carrier(struct str word)
{
	static const char *const carriers[] = { "env",  "exec",    "command", "nohup",
		                                "sudo", "time",    "then",    "else",
		                                "do",   "if",      "while",   "!",
		                                "eval", "builtin", "xargs",   "doas" };

	for (size_t i = 0; i < ARRAY_LEN(carriers); i++) {
		if (str_eq(word, str_of(carriers[i]))) {
			return true;
		}
	}
	return is_assignment(word);
}

/* A program by its name alone: "/usr/bin/git" is git. */
static bool piece_begins(struct str piece, struct str prefix)
{
	struct str rest = piece, word, before = piece;

	while (before = rest, next_word(&rest, &word)) {
		const char *slash = word.n > 0 ? memrchr(word.p, '/', word.n) : NULL;

		if (approval_line_begins(before, prefix)) {
			return true;
		}
		if (slash != NULL) {
			before = str_trim(before);
			before = str_make(slash + 1, before.n - (size_t)(slash + 1 - before.p));
			if (approval_line_begins(before, prefix)) {
				return true;
			}
		}
		if (!is_carrier(word)) {
			return false;
		}
	}
	return false;
}

bool approval_line_has(struct str line, struct str prefix)
{
	char piece[PIECE_MAX];
	size_t n = 0;
	bool has = false;

	for (size_t i = 0; !has && i <= line.n; i++) {
		char c = i < line.n ? line.p[i] : '\n';

		if (strchr("'\"\\", c) != NULL && c != '\0') {
			continue; /* the word goes on behind it */
		}
		if (c == '\0' || strchr("\n\r;&|(){}<>`$", c) != NULL) {
			has = piece_begins(str_make(piece, n), prefix);
			n = 0;
		} else if (n < sizeof(piece)) {
			piece[n++] = c; /* of a longer one the end does not matter */
		}
	}
	return has;
}

/* ---- shells ---- */

static bool is_shell(struct str word)
{
	static const char *const shells[] = { "sh", "bash", "dash", "zsh", "ksh", "fish", "ash" };
	const char *slash = word.n > 0 ? memrchr(word.p, '/', word.n) : NULL;
	struct str name =
		slash != NULL ? str_make(slash + 1, (size_t)(word.p + word.n - slash - 1)) : word;

	for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
		if (str_eq(name, str_of(shells[i]))) {
			return true;
		}
	}
	return false;
}

static bool takes_command(struct str option)
{
	return str_eq(option, STR_LIT("-c")) || str_eq(option, STR_LIT("-lc"));
}

bool approval_words_inside(const struct str *words, size_t count, struct str *ret, bool *ret_shell)
{
	*ret_shell = count > 0 && is_shell(words[0]);
	if (!*ret_shell || count != 3 || !takes_command(words[1])) {
		return false;
	}
	*ret = words[2];
	return true;
}

bool approval_line_inside(struct str line, struct str *ret)
{
	struct str rest = line, shell, option;

	if (!next_word(&rest, &shell) || !is_shell(shell) || !next_word(&rest, &option) ||
	    !takes_command(option)) {
		return false;
	}
	rest = str_trim(rest);
	if (rest.n < 2 || (rest.p[0] != '\'' && rest.p[0] != '"') ||
	    rest.p[rest.n - 1] != rest.p[0]) {
		return false;
	}
	*ret = str_make(rest.p + 1, rest.n - 2);
	return approval_line_is_plain(*ret);
}

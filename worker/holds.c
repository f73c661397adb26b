#include "worker/holds.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "queue/queue_limit.h"
#include "queue/words.h"
#include "worker/git.h"

enum { NAME_LEN = 16 }; /* of a mirror's directory: the queue's name of its URL */

bool holds_add(char holds[LEASE_HOLDS_MAX + 1], struct str word)
{
	char old[LEASE_HOLDS_MAX + 1];
	struct str rest;
	bool is_new = !words_have(holds, word);
	size_t len = word.n;

	if (word.n == 0 || word.n > LEASE_HOLDS_MAX) {
		return false;
	}
	memcpy(old, holds, sizeof(old));
	rest = str_of(old);
	memcpy(holds, word.p, word.n);
	while (rest.n > 0) {
		struct str next = str_split(&rest, ',');

		if (next.n == 0 || str_eq(next, word) || len + 1 + next.n > LEASE_HOLDS_MAX) {
			continue;
		}
		holds[len] = ',';
		memcpy(holds + len + 1, next.p, next.n);
		len += 1 + next.n;
	}
	holds[len] = '\0';
	return is_new;
}

void holds_repo(struct str url, char out[HOLDS_WORD_SIZE])
{
	char name[QUEUE_NAME_MAX + 1];

	queue_name_of(url, name);
	(void)snprintf(out, HOLDS_WORD_SIZE, "repo=%.*s", NAME_LEN, name);
}

void holds_read(const char *state_dir, char holds[LEASE_HOLDS_MAX + 1])
{
	char path[GIT_PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "%s/mirrors", state_dir);
	dir = opendir(path);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		size_t n = strlen(entry->d_name);
		char word[HOLDS_WORD_SIZE];

		if (n > NAME_LEN + 4 && strcmp(entry->d_name + n - 4, ".git") == 0 &&
		    strspn(entry->d_name, "0123456789abcdef") >= NAME_LEN) {
			(void)snprintf(word, sizeof(word), "repo=%.*s", NAME_LEN, entry->d_name);
			(void)holds_add(holds, str_of(word));
		}
	}
	if (dir != NULL) {
		(void)closedir(dir);
	}
}

#include "queue/words.h"

bool words_have(const char *has, struct str word)
{
	struct str rest = str_of(has);

	while (rest.n > 0) {
		if (str_eq(str_split(&rest, ','), word)) {
			return true;
		}
	}
	return false;
}

struct str words_missing(const char *has, struct str *rest)
{
	while (rest->n > 0) {
		struct str word = str_split(rest, ',');

		if (word.n > 0 && !words_have(has, word)) {
			return word;
		}
	}
	return (struct str){ NULL, 0 };
}

bool words_fit(const char *has, const char *needs)
{
	struct str rest = str_of(needs);

	return words_missing(has, &rest).p == NULL;
}

/* What git may print: the list of changes up to the first 0xff, then the objects, in pieces. */
#include <string.h>

#include "worker/changes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct changes *changes = changes_new();
	struct str rest = { (const char *)data, size };
	struct str diff = str_split(&rest, (char)0xff);
	struct buf wanted;
	struct err err;

	buf_init(&wanted, 1 << 20);
	if (changes_parse(changes, diff, size % 2 == 0, &err) == ERR_OK) {
		changes_wanted(changes, &wanted);
		while (rest.n > 0) {
			size_t n = rest.n < 7 ? rest.n : 7;

			if (!changes_feed(changes, str_make(rest.p, n))) {
				break;
			}
			rest.p += n;
			rest.n -= n;
		}
	}
	buf_fini(&wanted);
	changes_free(changes);
	return 0;
}

#include "pg/phase.h"

#include <stdint.h>

#include "base/str.h"

unsigned pg_phase_contract(const struct text *file)
{
	struct str rest = str_make(file->text, file->len);
	uint64_t protocol = 0;

	if (!str_eq(str_split(&rest, '\n'), STR_LIT("-- phase: contract"))) {
		return 0;
	}
	(void)str_split(&rest, ':');
	/* The lint has seen that it is a number; one that is none would hold for no node at all. */
	return parse_u64(str_trim(str_split(&rest, '\n')), INT32_MAX, &protocol)
	               ? (unsigned)protocol
	               : INT32_MAX;
}

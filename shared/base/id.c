#include "base/id.h"

#include <assert.h>
#include <sys/random.h>

#include "base/clock.h"

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

struct id id_make(uint64_t unix_ms, const unsigned char entropy[10])
{
	struct id id;
	unsigned bits = 0, count = 0;
	int out = ID_LEN;

	unix_ms &= (UINT64_C(1) << 48) - 1;
	for (int i = 9; i >= 0; i--) {
		bits |= (unsigned)entropy[i] << count;
		count += 8;
		while (count >= 5) {
			id.s[--out] = alphabet[bits & 31];
			bits >>= 5;
			count -= 5;
		}
	}
	while (out > 0) {
		id.s[--out] = alphabet[unix_ms & 31];
		unix_ms >>= 5;
	}
	id.s[ID_LEN] = '\0';
	return id;
}

struct id id_new(void)
{
	static uint64_t last_ms;
	static unsigned char entropy[10];
	uint64_t now_ms = (uint64_t)(clock_wall_us() / 1000);

	if (now_ms > last_ms) {
		ssize_t got = getrandom(entropy, sizeof(entropy), 0);

		assert(got == (ssize_t)sizeof(entropy));
		entropy[0] &= 0x7f; /* leaves room to count up within the millisecond */
		last_ms = now_ms;
	} else {
		for (int i = 9; i >= 0 && ++entropy[i] == 0; i--) {
		}
	}
	return id_make(last_ms, entropy);
}

bool id_parse(struct str s, struct id *ret)
{
	struct id id;

	if (s.n != ID_LEN) {
		return false;
	}
	for (size_t i = 0; i < ID_LEN; i++) {
		char c = (char)(s.p[i] >= 'a' && s.p[i] <= 'z' ? s.p[i] - 'a' + 'A' : s.p[i]);

		if (c == '\0' || strchr(alphabet, c) == NULL) {
			return false;
		}
		id.s[i] = c;
	}
	if (id.s[0] > '7') { /* 48 bits of time */
		return false;
	}
	id.s[ID_LEN] = '\0';
	*ret = id;
	return true;
}

uint64_t id_time_ms(const struct id *id)
{
	uint64_t ms = 0;

	if (id_is_nil(id)) {
		return 0;
	}
	for (int i = 0; i < 10; i++) {
		ms = ms << 5 | (uint64_t)(strchr(alphabet, id->s[i]) - alphabet);
	}
	return ms;
}

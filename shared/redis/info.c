#include "redis/info.h"

struct str redis_info_value(struct str info, struct str name)
{
	while (info.n > 0) {
		struct str line = str_split(&info, '\n'), key = str_split(&line, ':');

		if (str_eq(key, name)) {
			return str_split(&line, '\r');
		}
	}
	return STR_LIT("");
}

#include <stdio.h>

#include "base/map.h"
#include "tests/support/test.h"

enum { KEYS = 600, STEPS = 200000 };

/* xorshift: the same run every time */
static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

struct model {
	char keys[KEYS][8];
	void *values[KEYS];
	size_t count;
};

static struct str model_key(const struct model *model, size_t k)
{
	return str_of(model->keys[k]); /* key 0 is the empty string */
}

static void assert_same(const struct map *map, const struct model *model)
{
	size_t at = 0, visited = 0;
	struct str key;
	void *value;

	assert_int_equal(map_count(map), model->count);
	for (size_t k = 0; k < KEYS; k++) {
		assert_ptr_equal(map_get(map, model_key(model, k)), model->values[k]);
	}
	while (map_next(map, &at, &key, &value)) {
		size_t k = (size_t)((char(*)[8])value - model->keys);

		assert_true(k < KEYS);
		assert_ptr_equal(model->values[k], value);
		assert_true(str_eq(key, model_key(model, k)));
		visited++;
	}
	assert_int_equal(visited, model->count);
}

static void growth_and_churn_agree_with_a_naive_model(void **state)
{
	static struct model model;
	struct map *map = map_new();
	uint32_t seed = 2463534242;

	(void)state;
	for (size_t k = 1; k < KEYS; k++) {
		(void)snprintf(model.keys[k], sizeof(model.keys[k]), "k%zu", k);
	}
	for (int i = 0; i < STEPS; i++) {
		/* The live set swells and shrinks, so that tables full of removed keys occur. */
		size_t range = i / 10000 % 2 == 0 ? KEYS : 8;
		size_t k = next_random(&seed) % range;
		void *old = model.values[k];
		char(*value)[8] = &model.keys[k];

		if (next_random(&seed) % (range == KEYS ? 3 : 2) != 0) {
			assert_ptr_equal(map_put(map, model_key(&model, k), value), old);
			model.values[k] = value;
			model.count += old == NULL;
		} else {
			assert_ptr_equal(map_remove(map, model_key(&model, k)), old);
			model.values[k] = NULL;
			model.count -= old != NULL;
		}
		if (i % 5000 == 0) {
			assert_same(map, &model);
		}
	}
	assert_same(map, &model);
	map_free(map);
}

static void keys_are_bytes_and_are_copied(void **state)
{
	struct map *map = map_new();
	char key[] = "a\0b";
	int one, two;

	(void)state;
	assert_null(map_put(map, str_make(key, 3), &one));
	assert_null(map_put(map, str_make(key, 1), &two));
	key[0] = 'x';
	assert_ptr_equal(map_get(map, STR_LIT("a\0b")), &one);
	assert_ptr_equal(map_get(map, STR_LIT("a")), &two);
	assert_null(map_get(map, STR_LIT("a\0")));
	assert_null(map_get(map, (struct str){ NULL, 0 }));
	assert_null(map_put(map, (struct str){ NULL, 0 }, &one));
	assert_ptr_equal(map_get(map, STR_LIT("")), &one);
	assert_int_equal(map_count(map), 3);
	map_free(map);
	map_free(NULL);
}

static void a_key_removed_and_put_again_is_found_once(void **state)
{
	struct map *map = map_new();
	int value;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		assert_null(map_put(map, STR_LIT("same"), &value));
		assert_int_equal(map_count(map), 1);
		assert_ptr_equal(map_remove(map, STR_LIT("same")), &value);
		assert_null(map_remove(map, STR_LIT("same")));
		assert_int_equal(map_count(map), 0);
	}
	map_free(map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(growth_and_churn_agree_with_a_naive_model),
		cmocka_unit_test(keys_are_bytes_and_are_copied),
		cmocka_unit_test(a_key_removed_and_put_again_is_found_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

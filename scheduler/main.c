#include "scheduler/app.h"

int main(int argc, char **argv)
{
	return node_run(&app_node, argc, argv);
}

/* Nothing: what TVM's header declares is in watched.h. */

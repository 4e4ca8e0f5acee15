//! What is fuzzed with policies and their tests, on the files that fuzzing begins with.

use std::fs;

use crate::harness::repository;

#[path = "../../fuzz/src/policies.rs"]
#[allow(unreachable_pub, reason = "the file belongs to the crate of the fuzz targets")]
mod policies;

#[test]
fn the_promises_about_policies_hold_for_the_corpora() {
    for (corpus, target) in
        [("policy_set", policies::policy_set as fn(&str)), ("policy_tests", policies::policy_tests as fn(&str))]
    {
        let mut seen = 0;
        for file in fs::read_dir(repository("fuzz/corpus").join(corpus)).unwrap() {
            target(&fs::read_to_string(file.unwrap().path()).unwrap());
            seen += 1;
        }
        assert!(seen > 20, "{corpus}: {seen} files");
    }
}

//! No assertion without a permit, checked by the compiler: these programs must not build.

#[test]
fn a_permit_cannot_be_made_cloned_or_used_twice() {
    trybuild::TestCases::new().compile_fail("tests/it/compile_fail/*.rs");
}

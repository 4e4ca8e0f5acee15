//! Methods that no policy tells apart.

use super::needs::Need;
use crate::domain::{ClassSet, Method, MethodSet, Profile, classes};

/// The methods of `candidates` that can make a difference, those that no need tells apart together; the strongest of each group
/// is the first.
pub(super) fn of(needs: &[Need], profile: Profile, shown: MethodSet, candidates: MethodSet) -> Vec<MethodSet> {
    let by = Apart { needs, classes: asked_for(needs), profile, shown, others: candidates.union(shown) };
    let mut groups: Vec<MethodSet> = Vec::new();
    for method in candidates.iter().filter(|method| by.matters(*method)) {
        let same = groups.iter_mut().find(|group| group.iter().next().is_some_and(|first| by.is_alike(first, method)));
        match same {
            Some(group) => *group = group.with(method),
            None => groups.push(MethodSet::EMPTY.with(method)),
        }
    }
    groups
}

fn asked_for(needs: &[Need]) -> ClassSet {
    needs.iter().flat_map(|need| need.classes().iter()).collect()
}

/// What tells methods apart.
struct Apart<'a> {
    needs: &'a [Need],
    classes: ClassSet,
    profile: Profile,
    shown: MethodSet,
    /// What a method can stand beside.
    others: MethodSet,
}

impl Apart<'_> {
    fn classes_of(&self, methods: MethodSet) -> ClassSet {
        classes(methods, self.profile).iter().filter(|class| self.classes.contains(*class)).collect()
    }

    /// Whether showing it can meet a need, alone or beside another method.
    fn matters(&self, method: Method) -> bool {
        let single = MethodSet::EMPTY.with(method);
        self.needs.iter().any(|need| need.methods().contains(method))
            || !self.classes_of(single).is_empty()
            || self.others.iter().any(|other| {
                let alone = MethodSet::EMPTY.with(other);
                self.classes_of(alone.with(method)) != self.classes_of(alone)
            })
    }

    fn is_alike(&self, one: Method, other: Method) -> bool {
        let is_apart = |need: &Need| need.methods().contains(one) != need.methods().contains(other);
        if self.needs.iter().any(is_apart) || self.shown.contains(one) != self.shown.contains(other) {
            return false;
        }
        let single = |method: Method| MethodSet::EMPTY.with(method);
        let others = self.others.without(one).without(other);
        self.classes_of(single(one)) == self.classes_of(single(other))
            && self.classes_of(single(one).with(other)) == self.classes_of(single(one))
            && others
                .iter()
                .all(|third| self.classes_of(single(third).with(one)) == self.classes_of(single(third).with(other)))
    }
}

//! What of a CV may be shown, and to whom.

use std::ops::Deref;

use super::model::{Cv, Entry, Location};
use super::{Config, Private};

/// Who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Anyone.
    Public,
    /// Someone to whom the owner gave a private link: sees every contact.
    LinkHolder,
}

/// A CV without what its audience may not see; the only form that pages and exports take.
#[derive(Clone, Debug, PartialEq)]
pub struct Disclosed(Cv);

impl Deref for Disclosed {
    type Target = Cv;

    fn deref(&self) -> &Cv {
        &self.0
    }
}

impl Cv {
    /// Returns what `audience` may see.
    ///
    /// Hidden entries and unknown keys are shown to nobody. `x-private` of the file wins over
    /// `show` of the configuration.
    pub fn disclose(&self, audience: Audience, config: &Config) -> Disclosed {
        let mut cv = self.clone();
        cv.drop_hidden();
        if audience == Audience::Public {
            cv.drop_unless_shown(&config.show);
            for path in &self.private {
                cv.drop_private(path);
            }
        }
        Disclosed(cv)
    }

    fn drop_hidden(&mut self) {
        fn visible<T>(entries: &mut Vec<Entry<T>>) {
            entries.retain(|entry| !entry.hidden);
            entries.iter_mut().for_each(|entry| entry.extra.clear());
        }
        self.extra.clear();
        self.basics.extra.clear();
        self.meta.extra.clear();
        visible(&mut self.basics.profiles);
        visible(&mut self.work);
        visible(&mut self.volunteer);
        visible(&mut self.education);
        visible(&mut self.awards);
        visible(&mut self.certificates);
        visible(&mut self.publications);
        visible(&mut self.skills);
        visible(&mut self.languages);
        visible(&mut self.interests);
        visible(&mut self.references);
        visible(&mut self.projects);
        self.custom.iter_mut().for_each(|section| visible(&mut section.items));
    }

    fn drop_unless_shown(&mut self, show: &[Private]) {
        for private in Private::ALL.into_iter().filter(|private| !show.contains(private)) {
            match private {
                Private::Phone => self.basics.phone = None,
                Private::Address => {
                    self.basics.location.address = None;
                    self.basics.location.postal_code = None;
                }
                Private::BirthDate => self.basics.birth_date = None,
            }
        }
    }

    /// Drops one path of [`PRIVATE_PATHS`](super::read::PRIVATE_PATHS).
    fn drop_private(&mut self, path: &str) {
        let basics = &mut self.basics;
        match path {
            "email" => basics.email = None,
            "phone" => basics.phone = None,
            "url" => basics.url = None,
            "image" => basics.image = None,
            "profiles" => basics.profiles.clear(),
            "birthDate" => basics.birth_date = None,
            "location" => basics.location = Location::default(),
            "location.address" => basics.location.address = None,
            "location.postalCode" => basics.location.postal_code = None,
            "location.city" => basics.location.city = None,
            "location.region" => basics.location.region = None,
            "location.countryCode" => basics.location.country_code = None,
            other => unreachable!("{other} was accepted by the reader of x-private"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::read::PRIVATE_PATHS;
    use super::*;

    #[test]
    fn every_private_path_is_known_here() {
        for path in PRIVATE_PATHS {
            Cv::default().drop_private(path);
        }
    }
}

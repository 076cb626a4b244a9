/* SPDX-License-Identifier: Apache-2.0
 *
 * Which pictures tools/lineart/pairs.js takes, by their names.
 *
 * Nothing that shows a person, a part of one, a face (also a moon's or a mask's), or what people
 * wear.  The categories leave most of it out; what they let through goes by whole words of a name
 * and by whole names, which were found by looking at every picture on sheets.  Rather one harmless
 * thing too many is left out than one of these taken. */
"use strict";

const CATEGORIES = ["Activities", "Animals & Nature", "Food & Drink", "Objects", "Symbols",
    "Travel & Places"];

/* Of the symbols only plain shapes: the many keys and buttons with letters teach nothing. */
const SYMBOLS = /circle|square|diamond|triangle|heart|check-mark|cross-mark|question|exclamation|recycling|yin-yang|peace|radioactive|biohazard|fleur|splatter|medical-symbol|warning|no-entry$|prohibited/;

const WORDS = new Set(("person people man men mens mans woman women womens womans boy girl guy " +
    "baby child children family couple kiss lips mouth tongue nose ear eye eyes hand hands finger " +
    "thumb fist foot feet footprints leg arm biceps flexbicep hair haircut skull bone brain lungs " +
    "tooth blood body bust silhouette head face mask masks doll dolls dancer dancers skier " +
    "snowboarder surfer golfer runner walking cloth clothes clothing coat dress shirt jeans shorts " +
    "briefs bikini swimsuit kimono sari scarf socks gloves glove necktie tie vest uniform shoe " +
    "shoes boot boots sandal sandals skate skates ski skis hat cap helmet crown veil turban " +
    "glasses sunglasses goggles ring lipstick makeup makeupbag nail nailpolish razor purse handbag " +
    "clutch wallet backpack watch wheelchair crutch banknote dollar-banknote snowman santa " +
    "fatherchristmas mage fairy vampire mermaid angel ghost alien goblin ogre robot clown imp " +
    "devil zombie genie").split(" "));

/* "face" is a word of animals too, and babies of hens are chicks. */
const ANIMALS = /^((front-facing-)?baby-chick|(cat|cow|dog|dragon|horse|monkey|mouse|panda|pig|rabbit|tiger|wolf|bear|fox|bunny)-?face|pandaface|wolfface|horseface|cowface|monkeyface)$/;

const NAMES = new Set((
    /* faces and figures */
    "jack-o-lantern joker performing-arts moai statue-of-liberty snowman snowman-without-snow " +
    "japanese-dolls nesting-dolls identification-card name-badge hamsa nazar-amulet x-ray " +
    "full-moon-face new-moon-face first-quarter-moon-face last-quarter-moon-face sun-with-face " +
    "wind-face children-crossing no-pedestrians no-littering litter-in-bin-sign place-of-worship " +
    "passport-control customs elevator restroom wheelchair-symbol baby-symbol mens-room " +
    "womens-room framed-picture funeral-urn coin " +
    /* worn, or of the body */
    "ballet-shoes billed-cap boxing-glove diving-mask martial-arts-uniform running-shirt " +
    "safety-vest top-hat graduation-cap military-helmet rescue-workers-helmet ice-skate " +
    "roller-skate skis reminder-ribbon t-shirt lab-coat hair-pick baby-bottle adhesive-bandage " +
    "drop-of-blood lotion-bottle toothbrush mirror prayer-beads folding-hand-fan crutch " +
    "white-cane manual-wheelchair motorized-wheelchair dollar-banknote euro-banknote " +
    "pound-banknote yen-banknote money-with-wings coffin headstone cigarette no-smoking syringe " +
    "pill dagger water-pistol bomb " +
    /* pictures of pictures, and flags */
    "film-frames television " +
    /* fxemoji's own spellings */
    "basketballandhoop bicyclist blackskullcrossbones blonde bow bowing bride bunny-ears clap " +
    "construct cop couple couplekiss dancer darksunglasses devilhorns family framewithpicture " +
    "framewithtiles framewithx fullmoonwithface newmoonwithface firstquartermoonface " +
    "lastquartermoonface gma gpa guapimao guardsman guyguy girlgirl girlguy halo hocho " +
    "horseracing japaneseangrymask japanesedolls mahjong medicalmask menssymbol mensrunner " +
    "mensshoe mansshirt moyai openmouth playingcardblackjoker poo pistol present princess " +
    "runningshirt skiandskiboot sleuthspy snowmanwithoutsnow speakingheadinsilhouette " +
    "statueofliberty sunwithface surfer swimming thoughtbaloon waitress weightlifter womanshat " +
    "womansshirt womenssymbol rowboat running heels graduationcap tophat windchime jackolantern " +
    "performingarts passportcontrol childrencrossing nopedestrians donotlittersymbol " +
    "putlitterinitsplacesymbol wheelchairsymbol babysymbol babybottle banknotedollar banknoteeuro " +
    "banknotepound banknoteyen moneywithwings pinkwallet daggerknife smokingsymbol " +
    "nosmokingsymbol filmframes foxcrying foxgrin foxheart foxkissing foxpouting foxsmiling " +
    "foxtearofjoy foxweary foxwry silhouetteohjapan contact contact2 namebadge blackmissingsmiley " +
    "walking wedding weary hole markschaptersymbol bath lovehotel " +
    "maninbusinesssuitlevitating parachute schoolsatchel alienmonster crossedflags cardindex " +
    "card-index").split(/\s+/));

function refused(name)
{
    if (ANIMALS.test(name)) return false;
    return NAMES.has(name) || name.split("-").some((word) => WORDS.has(word)) ||
        /face(with|$)|person|woman|skin|hand$|hands$|finger|backhand/.test(name) ||
        /^(squared|negativesquared|circledideograph|circledlatin)/.test(name); /* letters */
}

module.exports = { CATEGORIES, SYMBOLS, refused };

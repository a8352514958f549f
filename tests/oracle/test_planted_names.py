"""reprise anonymize on names planted in texts that the profile keeps, written and read by pydicom: what must go in
whatever spelling, what must stay, which UIDs are mapped, and that nothing lies outside the output folder."""
import os
import subprocess
import sys
import tempfile
import unicodedata

try:
    import pydicom
    from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
    from pydicom.sequence import Sequence
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

REPRISE = os.environ["REPRISE"]
CT = "1.2.840.10008.5.1.4.1.1.2"
ROOT = "1.2.826.0.1.3680043.8.498.77."
failures = 0


def check(what, good, detail=""):
    global failures
    if not good:
        print(f"FAIL {what}: {detail}", flush=True)
    failures += not good


def make(number, name, charset="ISO_IR 192", **more):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CT, f"{ROOT}3.{number}"
    meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    ds = FileDataset("x", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.is_little_endian, ds.is_implicit_VR = True, False
    if charset:
        ds.SpecificCharacterSet = charset
    ds.SOPClassUID, ds.SOPInstanceUID = CT, f"{ROOT}3.{number}"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = f"{ROOT}1", f"{ROOT}2", f"{ROOT}4"
    ds.Modality, ds.InstanceNumber, ds.PatientID = "CT", number, f"{number}K815"
    ds.PatientName, ds.PatientBirthDate = name, "19370527"
    for key, value in more.items():
        setattr(ds, key, value)
    return ds


def anonymized(work, objects, name):
    """The results by InstanceNumber; every file below the folder given, none beside it."""
    source, deep = os.path.join(work, name), os.path.join(work, name + "-deep")
    out = os.path.join(deep, "a", "b", "out")
    os.makedirs(source)
    os.makedirs(os.path.dirname(out))
    for i, ds in enumerate(objects):
        ds if isinstance(ds, bytes) else ds.save_as(os.path.join(source, f"{i:03}.dcm"), write_like_original=False)
        if isinstance(ds, bytes):
            with open(os.path.join(source, f"{i:03}.dcm"), "wb") as file:
                file.write(ds)
    key = os.path.join(work, "key")
    with open(key, "w", encoding="ascii") as file:
        file.write("00112233445566778899aabbccddeeff")
    os.chmod(key, 0o600)
    done = subprocess.run([REPRISE, "anonymize", source, "--out", out, "--key", key, "-q"], capture_output=True, text=True,
                          timeout=120, check=False)
    paths = [os.path.join(w, n) for w, _, names in os.walk(deep) for n in names]
    strays = [p for p in paths if not p.startswith(out + os.sep)]
    check(f"{name}: exit code", done.returncode == 0, done.stderr)
    check(f"{name}: nothing outside", not strays, strays)
    return {int(ds.InstanceNumber): ds for ds in map(pydicom.dcmread, paths)}, paths


NFD = unicodedata.normalize("NFD", "Quördelmann liver")
# (name, text that holds some of it); the character set is UTF-8
GOES = [
    ("QUENDELBAUM^ZACHARIAS", "Quendelbaum kernel"), ("QUENDELBAUM^ZACHARIAS", "for zacharias"),
    ("Quördelmann^Jörg", "QUÖRDELMANN 1"), ("Quördelmann^Jörg", NFD), ("Quördelmann^Jörg", "Quoerdelmann"),
    ("Quördelmann^Jörg", "Quordelmann"), ("Quoerdelmann^Joerg", "QUÖRDELMANN"), ("Müller^Ö", "MUELLER3"),
    ("Weiß^Groß", "WEISS"), ("Weiss^A", "weiß"), ("STRAUẞ^A", "Strauss B"), ("Åkesson^Bjørn", "AAKESSON"),
    ("Åkesson^Bjørn", "bjorn"), ("Łukasiewicz^Jan", "Lukasiewicz"), ("Çelik^İpek", "ipek"), ("IŞIK^A", "ışık"),
    ("Куликов^Иван", "КУЛИКОВ 2"), ("Соловьёв^А", "СОЛОВЬЕВ"), ("Παπαδόπουλος^Α", "ΠΑΠΑΔΟΠΟΥΛΟΣ"),
    ("QUENDEL-BAUMANN^ANNA", "for Baumann"), ("QUENDEL-BAUMANN^ANNA", "quendel baumann"),
    ("Quendel Baumann^A", "QuendelBaumann_2"), ("Quendelbaum^Anna-Lena", "Annalena"), ("O'Brannigan^P", "OBrannigan"),
    ("O’Brannigan^P", "O'BRANNIGAN"), ("Mc Quillan^P", "McQuillan"), ("Quendelbaum^Z", "Q.u.e.n.d.e.l.b.a.u.m"),
    ("Smyth^John", "jsmyth"), ("Smyth^John", "Smyth's"), ("Ng^Wei", "scan of Ng"), ("Li^Na", "CT LI"),
    ("YAMADA^TAROU=山田^太郎=やまだ^たろう", "山田太郎さん"), ("YAMADA^TAROU=山田^太郎=やまだ^たろう", "ﾔﾏﾀﾞ"),
    ("YAMADA^TAROU=山田^太郎=やまだ^たろう", "ヤマダ"), ("Hong^Gildong=洪^吉洞=홍^길동", "홍길동"),
    ("Wang^XiaoMing=王^小明", "王小明"), ("Quendelbaum^Z", "Ｑｕｅｎｄｅｌｂａｕｍ"), ("Quendelbaum^Z", "Quen\u00addelbaum"),
    ("Quendelbaum^Z", "born 27.05.1937"), ("Quendelbaum^Z", "1937-05-27"), ("Quendelbaum^Z", "19370527"),
    ("Quendelbaum^Z", "5/27/37"), ("Quendelbaum^Z", "27 May 1937"), ("Quendelbaum^Z", "27. Mai 1937"),
    ("Quendelbaum^Z", "DOB 270537"), ("Quendelbaum^Z", "id %K815"), ("Quendelbaum^Z", "id %-K-815"),
]
STAYS = [
    ("Ng^Wei", "sagging lungs"), ("Li^Na", "liver, in line"), ("Li^A", "A 1"), ("Lee^An", "asleep and free"),
    ("de la Cruz^Ana", "Phase de la aorte"), ("Kern^Ute", "KERNEL MINUTE"), ("von Stern^A", "Sternum von links"),
    ("Quendelbaum^Z", "B30f medium smooth 1937"), ("Quendelbaum^Z", "27 slices of 5 mm"), ("Quendelbaum^Z", "Größe Ä"),
    ("王^小", "肝臓の画像"),
]
# (character set, name, text, the same in bytes)
ENCODED = [
    ("ISO_IR 100", "Quördelmann^Jörg", "QUÖRDELMANN", "latin-1"), ("ISO_IR 101", "Świątek^Iga", "ŚWIĄTEK", "iso8859-2"),
    ("ISO_IR 144", "Куликов^Иван", "КУЛИКОВ", "iso8859-5"), ("ISO_IR 126", "Παπάς^Νίκος", "ΠΑΠΑΣ", "iso8859-7"),
    ("ISO_IR 148", "Işık^Ayşe", "IŞIK", "iso8859-9"), ("GB18030", "Wang^XiaoDong=王^小东", "王小东", "gb18030"),
    ("GBK", "Wang^XiaoDong=王^小东", "王小东", "gbk"), (None, "Quördelmann^Jörg", "QUÖRDELMANN", "latin-1"),
    (None, "Quördelmann^Jörg", "QUÖRDELMANN", "utf-8"), ("ISO_IR 100", "Quördelmann^Jörg", "QUÖRDELMANN", "utf-8"),
    ("ISO 2022 IR 6\\ISO 2022 IR 87", "Yamada^Tarou=山田^太郎", "山田太郎", "iso2022_jp"),
    ("\\ISO 2022 IR 149", "Hong^Gildong=洪^吉洞=홍^길동", "홍길동", None),
]


def korean(text):
    """With the escape that G1 needs."""
    return b"".join(b"\x1b$)C" + part.encode("euc_kr") for part in [text])


def case_texts(work):
    planted = [(n, t, True) for n, t in GOES] + [(n, t, False) for n, t in STAYS]
    objects = []
    for i, (name, text, _) in enumerate(planted):
        deep = Dataset()
        deep.CodeValue, deep.CodingSchemeDesignator, deep.CodeMeaning = "1", "99X", text.replace("%", str(i))
        objects.append(make(i, name, ConvolutionKernel=text.replace("%", str(i)), ProcedureCodeSequence=Sequence([deep])))
    results, _ = anonymized(work, objects, "texts")
    for i, (name, text, goes) in enumerate(planted):
        text, ds = text.replace("%", str(i)), results.get(i)
        kept = [str(ds.ConvolutionKernel), str(ds.ProcedureCodeSequence[0].CodeMeaning)] if ds else ["no file"] * 2
        want = [k.startswith("anon-") for k in kept] if goes else [k == text for k in kept]
        check(f"{text!r} of {name}", all(want), kept)


def case_encoded(work):
    objects = []
    for i, (charset, name, text, codec) in enumerate(ENCODED):
        ds = make(i, "P" * 60, None, ConvolutionKernel="T" * 32)
        if charset:
            ds.SpecificCharacterSet = charset.split("\\")
        ds.save_as(os.path.join(work, "one.dcm"), write_like_original=False)
        with open(os.path.join(work, "one.dcm"), "rb") as file:
            data = file.read()
        encode = (lambda t, c=codec: t.encode(c)) if codec else korean
        pieces = [b"^".join(encode(p) if not p.isascii() else p.encode() for p in group.split("^")) for group in name.split("=")]
        objects.append(data.replace(b"P" * 60, b"=".join(pieces).ljust(60)).replace(b"T" * 32, encode(text).ljust(32)))
    results, paths = anonymized(work, objects, "encoded")
    for i, (charset, name, text, codec) in enumerate(ENCODED):
        kept = results[i].get_item("ConvolutionKernel").value if i in results else b"no file"
        check(f"{text!r} of {name} in {charset} as {codec}", bytes(kept).startswith(b"anon-"), kept)


def case_places(work):
    """Wherever a kept text can stand."""
    name, word = "QUENDELBAUM^Z", "QUENDELBAUM"
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = word, "99" + word, "of " + word
    code.CodingSchemeVersion, code.ContextUID, code.MappingResource = word, "1.2.3", word
    ds = make(0, name, ProcedureCodeSequence=Sequence([code]), ScanOptions=word, ImageType=["ORIGINAL", word],
              ConvolutionKernel=[word, "B"], FilterType=word, TimezoneOffsetFromUTC=word, BodyPartExamined=word,
              ManufacturerModelName=word)
    ds.add_new(0x00281055, "LO", [word, "2"])  # WindowCenterWidthExplanation
    ds.add_new(0x00080119, "UC", word)
    private = ds.private_block(0x0029, "QUENDELBAUM 1.0", create=True)
    private.add_new(1, "LO", word)
    coded = make(2, "STUDY-HEADNECK-01", BodyPartExamined="HEADNECK", FilterType="Headneck", ConvolutionKernel="STUDY-HEADNECK-01")
    wrapped = make(3, name, ConvolutionKernel=word)
    del wrapped.PatientName
    wrapped.add_new(0x00100010, "UN", name.encode() + b" ")
    numbers = make(1, name, KVP=120)
    numbers.file_meta.ImplementationVersionName = word
    numbers.file_meta.SourceApplicationEntityTitle = word
    results, paths = anonymized(work, [ds, numbers, coded, wrapped], "places")
    for path in paths:
        with open(path, "rb") as file:
            check(f"{os.path.basename(path)}: the name is nowhere", word.lower().encode() not in file.read().lower())
    check("numbers stay", results[1].KVP == 120)
    coded = results[2]
    check("a term of a code that a number holds", coded.BodyPartExamined == "HEADNECK", coded.BodyPartExamined)
    check("that number", str(coded.ConvolutionKernel).startswith("anon-"), coded.ConvolutionKernel)


def evil(data, old, new):
    """A UID of another length in its place."""
    old = old.encode() + b"\0" * (len(old) % 2)
    new = new.encode() + b"\0" * (len(new) % 2)
    at = data.rindex(b"UI" + len(old).to_bytes(2, "little") + old)
    return data[:at + 2] + len(new).to_bytes(2, "little") + new + data[at + 4 + len(old):]


def case_uids(work):
    """Those of the standard stay where PS3.6 lists them; all others are mapped, and are names that lead nowhere."""
    wrong = ["1.2.840.10008.1/../../../escaped", "1.2.840.10008.5/../../escaped", "../../escaped", "/tmp/escaped-uid", "..",
             "1.2.840.10008.1.2.3.escaped", "1.2.840.10008.1.4711.19370527", "1..2", "1.2.840.10008.", "1.2\\../../escaped"]
    objects = []
    for i, uid in enumerate(wrong):
        for keyword, value in (("StudyInstanceUID", f"{ROOT}1"), ("SeriesInstanceUID", f"{ROOT}2"),
                               ("SOPInstanceUID", f"{ROOT}3.{3 * i}")):
            ds = make(len(objects), "A^B")
            ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"{ROOT}3.{3 * i}"
            if keyword == "SOPInstanceUID" and "\\" in uid:
                continue  # two names for one object: refused, as below
            if keyword != "SOPInstanceUID":
                ds.SOPInstanceUID = f"{ROOT}3.{len(objects)}.9"
            ds.save_as(os.path.join(work, "one.dcm"), write_like_original=False)
            with open(os.path.join(work, "one.dcm"), "rb") as file:
                data = file.read()
            objects.append(evil(data, value, uid) if "\\" not in uid else data)
    listed = make(900, "A^B", FrameOfReferenceUID="1.2.840.10008.1.4.1.1")
    listed.SOPInstanceUID = f"{ROOT}900"
    source = Dataset()
    source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.999.1", "1.2.840.10008.1.40.1"
    listed.ReferencedImageSequence = Sequence([source])
    results, paths = anonymized(work, objects + [listed], "uids")
    check("all are there", len(paths) == len(objects) + 1, f"{len(paths)} of {len(objects) + 1}")
    for path in paths:
        names = os.path.relpath(path, os.path.join(work, "uids-deep", "a", "b", "out")).split(os.sep)
        check(f"{path}: names", len(names) == 4 and all(set(n) <= set("0123456789.") and ".." not in n for n in
                                                        [names[1], names[2], names[3][:-4]]), names)
        with open(path, "rb") as file:
            data = file.read()
        check(f"{path}: texts", b"escaped" not in data and b".4711." not in data and b"19370527" not in data)
    ds = results[900]
    check("a frame of PS3.6 stays", ds.FrameOfReferenceUID == "1.2.840.10008.1.4.1.1")
    check("a class stays", ds.ReferencedImageSequence[0].ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.999.1")
    check("an instance of PS3.6 stays", ds.ReferencedImageSequence[0].ReferencedSOPInstanceUID == "1.2.840.10008.1.40.1")


def main():
    with tempfile.TemporaryDirectory() as work:
        for case in (case_texts, case_encoded, case_places, case_uids):
            case(work)
    print(f"{failures} failures")
    return 1 if failures else 0


sys.exit(main())

"""The Korean of the demo's page, by its English. A `{}` stands for what is filled in."""

PAGE = {
    "Cephalometric reading": "측면두부방사선 계측",
    "Landmarks, measurements and the CVM stage of lateral skull films. "
    "For research and teaching; not a medical device.": (
        "측면두부방사선사진의 계측점, 계측치, 경추골 성숙도. 연구·교육용이며 의료기기가 아닙니다."
    ),
    "Light or dark": "밝은 화면 또는 어두운 화면",
    "Loading the models …": "모델을 불러오는 중 …",
    "Ready": "준비됨",
    "One film": "사진 한 장",
    "Many films": "여러 장",
    "About": "안내",
    # tools
    "Film tools": "사진 도구",
    "Open film": "사진 열기",
    "Zoom in": "확대",
    "Zoom out": "축소",
    "Show the whole film": "사진 전체 보기",
    "Brightness": "밝기",
    "Contrast": "대비",
    "Invert": "명암 반전",
    "Points": "점",
    "Names": "이름",
    "95 % radius": "95 % 반경",
    "Tracing": "선",
    "Undo the last change (Ctrl+Z)": "실행 취소 (Ctrl+Z)",
    "Reset point": "점 되돌리기",
    "Reset all": "모두 되돌리기",
    "Ruler": "눈금자",
    "Length between the two clicks": "두 지점 사이의 길이",
    "Use": "적용",
    "Cancel": "취소",
    "Film with its landmarks": "계측점이 표시된 사진",
    "sure": "확실",
    "fairly sure": "대체로 확실",
    "doubtful": "불확실",
    "placed by you": "사용자가 지정",
    "Keys: Tab goes from point to point, arrows move a point by 0.1 mm (Shift: 1 mm), Delete resets it, "
    "Ctrl+Z undoes, + and - zoom, 0 shows the whole film.": (
        "키: Tab 다음 점, 화살표 0.1 mm 이동(Shift: 1 mm), "
        "Delete 되돌리기, Ctrl+Z 실행 취소, +/- 확대·축소, 0 전체 보기"
    ),
    # nothing opened yet
    "Drop a lateral cephalogram here": "측면두부방사선사진을 여기에 놓으십시오",
    "or paste it, or": "붙여 넣거나",
    "choose a file": "파일을 선택하십시오",
    "PNG, JPEG, BMP, TIFF or DICOM. Films stay in this server's memory for an hour at most and are not kept.": (
        "PNG, JPEG, BMP, TIFF, DICOM. 사진은 이 서버의 메모리에 길어야 한 시간 머물며 저장되지 않습니다."
    ),
    "No film at hand? These examples show no patient: they were warped from a mean of many films.": (
        "사진이 없습니까? 다음 예제는 많은 사진의 평균을 변형한 것으로 환자의 사진이 아닙니다."
    ),
    "Skeletal class I": "골격성 I급",
    "Skeletal class II": "골격성 II급",
    "Skeletal class III": "골격성 III급",
    "What you will see here": "여기에 표시되는 내용",
    "29 landmarks, each with how far it can be trusted; every one can be moved.": (
        "29개 계측점과 각각의 신뢰도. 모든 점을 옮길 수 있습니다."
    ),
    "Some fifty measurements beside published norms, with 95\u00a0% intervals.": (
        "발표된 정상치와 비교한 50여 개 계측치와 95 % 구간"
    ),
    "The cervical vertebral maturation stage, where the neck is shown.": "목이 보이는 경우 경추골 성숙도(CVM) 단계",
    "A report, tables and files to keep.": "보관할 보고서, 표, 파일",
    "For research and teaching. Not a medical device: nothing here may decide how a patient is treated.": (
        "연구·교육용이며 의료기기가 아닙니다. 이 결과로 환자의 치료를 결정해서는 안 됩니다."
    ),
    # results
    "Points not found": "찾지 못한 점",
    "Choose one, then click where it lies on the film.": "하나를 선택한 뒤 사진에서 그 위치를 클릭하십시오.",
    "Click both ends of a known length.": "길이를 아는 두 끝을 클릭하십시오.",
    "Click where {} lies.": "{}의 위치를 클릭하십시오.",
    "Click where {} lies, or press Enter to put it in the middle and move it by arrows.": (
        "{}의 위치를 클릭하거나, Enter로 가운데에 놓고 화살표로 옮기십시오."
    ),
    "{} placed.": "{} 지정함.",
    "Results": "결과",
    "Measurements": "계측치",
    "Wigglegram": "편차 도표",
    "CVM": "CVM",
    "Save": "저장",
    "{} of {} lie outside their norm's band: one standard deviation, or its author's range.": (
        "계측치 {1}개 중 {0}개가 정상 범위(표준편차 1배 또는 저자가 제시한 범위)를 벗어났습니다."
    ),
    "Too uncertain to read: {}.": "불확실하여 판독할 수 없는 계측치: {}개.",
    "above the norm": "정상보다 큼",
    "below the norm": "정상보다 작음",
    "a norm that its author gave as a range": "저자가 범위로 제시한 정상치",
    "Sources of the norms": "정상치의 출처",
    "Set the scale": "축척 지정",
    "Nothing can be measured without points.": "점이 없어 계측할 수 없습니다.",
    "How far each value lies from its norm, in standard deviations. A hollow mark has a range for its norm.": (
        "각 계측치가 정상치에서 벗어난 정도(표준편차). 속이 빈 표시는 정상치가 범위로 주어진 항목입니다."
    ),
    "No stage is named.": "단계를 판정하지 않았습니다.",
    "These weights do not read the neck, so no CVM stage is named.": (
        "현재 가중치는 경추를 판독하지 않으므로 CVM 단계를 판정하지 않습니다."
    ),
    "By the published rules: stage {}": "발표된 기준에 따르면 {}단계",
    "The neck with its points": "점이 표시된 경추",
    "File": "파일",
    "Size": "크기",
    "Pixel size": "픽셀 크기",
    "Millimetres per pixel": "픽셀당 mm",
    "Unknown": "모름",
    "unknown, so there are angles and ratios only": "알 수 없음(각도와 비율만 제시)",
    "stated with the example": "예제에 명시된 값",
    "Or choose Ruler above the film and click both ends of a known length, such as the ruler that many machines print "
    "on the film.": "또는 사진 위의 눈금자 도구로, 장비가 사진에 찍은 눈금자처럼 길이를 아는 두 끝을 클릭하십시오.",
    "Report to print (HTML)": "인쇄용 보고서 (HTML)",
    "Film with its points (PNG)": "점이 표시된 사진 (PNG)",
    "Measurements (CSV)": "계측치 (CSV)",
    "Points (CSV)": "점 (CSV)",
    "Everything as data (JSON)": "전체 데이터 (JSON)",
    "Annotation in Aariz's form (JSON)": "Aariz 형식 주석 (JSON)",
    "All of these (ZIP)": "모두 (ZIP)",
    "Bring points back": "점 불러오기",
    "An annotation file saved here, or one of the Aariz data set, puts its points on this film.": (
        "여기에서 저장했거나 Aariz 자료에 있는 주석 파일의 점을 이 사진에 표시합니다."
    ),
    "Load points": "점 불러오기",
    # while it works
    "Opening the film …": "사진을 여는 중 …",
    "Finding the points …": "점을 찾는 중 …",
    "Loading the models, then finding the points …": "모델을 불러온 뒤 점을 찾습니다 …",
    "Writing the file …": "파일을 만드는 중 …",
    "{} points found.": "점 {}개를 찾았습니다.",
    "{} points loaded.": "점 {}개를 불러왔습니다.",
    "{} moved.": "{} 이동함.",
    "Undone.": "취소했습니다.",
    "confidence {} %": "확신도 {} %",
    "within {} for 95 of 100 films": "사진 100장 중 95장에서 {} 이내",
    "taught by readers, not by experts": "전문의가 아닌 판독자의 자료로 학습",
    # many films
    "Choose many films at once. Each is read as on the first tab; one archive brings points, measurements, annotation, "
    "overlay and report of every film, and says which could not be read.": (
        "여러 사진을 한 번에 선택하십시오. 첫 번째 탭과 같은 방식으로 "
        "판독하여 각 사진의 점, 계측치, 주석, 그림, 보고서를 "
        "압축 파일 하나로 제공하고 판독하지 못한 사진을 알려 줍니다."
    ),
    "Films": "사진",
    "films": "장",
    "of films that do not state their own; empty where unknown": "값이 없는 사진에 적용. 모르면 비워 두십시오",
    "Read all": "모두 판독",
    "Save the archive (ZIP)": "압축 파일 저장 (ZIP)",
    "{} of {} films read.": "사진 {1}장 중 {0}장을 판독했습니다.",
    "{} with cautions.": "{}장에 주의 사항이 있습니다.",
    "Doubtful points: {}.": "불확실한 점: {}.",
    "read": "판독함",
}

# Why a file is no picture that can be read.
DAMAGE = {
    "its header is cut off": "헤더가 잘렸습니다",
    "its header is broken": "헤더가 손상되었습니다",
    "it is no PNG, JPEG, BMP or TIFF file": "PNG, JPEG, BMP, TIFF 파일이 아닙니다",
    "one of its chunks is broken": "파일 일부가 손상되었습니다",
    "its segments do not follow each other": "파일 구조가 어긋났습니다",
    "it has no frame": "영상이 들어 있지 않습니다",
    "it has more than {} scans": "스캔이 {}개보다 많습니다",
    "it does not say how large it is": "크기가 적혀 있지 않습니다",
    "its tiles are larger than a film": "타일이 사진보다 큽니다",
    "it has no pixels": "픽셀이 없습니다",
    "its end is missing": "끝부분이 없습니다",
    "its picture is broken": "영상이 손상되었습니다",
    "its picture is larger than it says": "영상이 적힌 크기보다 큽니다",
}

# What the page says when something cannot be done.
PROBLEMS = {
    "{} is empty; choose another file.": "{}: 빈 파일입니다. 다른 파일을 선택하십시오.",
    "{} has {} MB, and this page takes {} MB; read it with predict.py instead.": (
        "{}: {} MB입니다. 이 페이지는 {} MB까지 받으므로 predict.py로 판독하십시오."
    ),
    "{} has {} megapixels, and this page takes {}; read it with predict.py instead.": (
        "{}: {}메가픽셀입니다. 이 페이지는 {}메가픽셀까지 받으므로 predict.py로 판독하십시오."
    ),
    "{} is not a picture that can be read, since {}; use PNG, JPEG, BMP, TIFF or DICOM, undamaged.": (
        "{}: 읽을 수 있는 사진이 아닙니다({}). 손상되지 않은 PNG, JPEG, BMP, TIFF, DICOM 파일을 사용하십시오."
    ),
    "{} is not decoded, since {}; export the film anew.": "{}: 열지 않았습니다({}). 사진을 다시 내보내십시오.",
    "{} holds no readable picture ({}); export it as PNG.": "{}: 읽을 수 있는 사진이 없습니다({}). PNG로 내보내십시오.",
    "{} holds no readable picture, since {}; export it as PNG.": (
        "{}: 읽을 수 있는 사진이 없습니다({}). PNG로 내보내십시오."
    ),
    "{} is DICOM, which needs pydicom: pip install pydicom, or export it as PNG.": (
        "{}: DICOM 파일에는 pydicom이 필요합니다. pip install pydicom을 실행하거나 PNG로 내보내십시오."
    ),
    "{} is not a readable DICOM file, whatever its name says; export it as PNG.": (
        "{}: 읽을 수 있는 DICOM 파일이 아닙니다. PNG로 내보내십시오."
    ),
    "Many films are waiting to be read; try again in a minute.": (
        "판독 대기 중인 사진이 많습니다. 잠시 후 다시 시도하십시오."
    ),
    "Something went wrong here; the log of the demo says what.": "문제가 발생했습니다. 데모의 로그를 확인하십시오.",
    "The models could not be loaded. {}": "모델을 불러오지 못했습니다. {}",
    "{} is damaged or not weights of this project ({}); restore it or train again.": (
        "{}: 손상되었거나 이 프로젝트의 가중치가 아닙니다({}). 복원하거나 다시 학습하십시오."
    ),
    "{} is damaged or no checkpoint ({}); delete it or restore it.": (
        "{}: 손상되었거나 체크포인트가 아닙니다({}). 지우거나 복원하십시오."
    ),
    "{} is no checkpoint of this version of the project; train again or update.": (
        "{}: 이 버전의 체크포인트가 아닙니다. 다시 학습하거나 업데이트하십시오."
    ),
    "{} needs the vertebrae weights it was taught with; put them beside it as {}.": (
        "{}: 함께 학습한 척추 가중치가 필요합니다. 같은 폴더에 {} 이름으로 두십시오."
    ),
    "{} shows you no {}; check its name, and `hf auth login` if it is private.": (
        "{}에서 {} 저장소를 볼 수 없습니다. 이름을 확인하고, 비공개라면 `hf auth login`을 실행하십시오."
    ),
    "{} cannot be reached; check the network, or HF_ENDPOINT.": (
        "{}에 연결할 수 없습니다. 네트워크나 HF_ENDPOINT를 확인하십시오."
    ),
    "The models could not be loaded; the log of the demo says why.": (
        "모델을 불러오지 못했습니다. 데모의 로그를 확인하십시오."
    ),
    "The server does not answer; is the demo still running?": (
        "서버가 응답하지 않습니다. 데모가 실행 중인지 확인하십시오."
    ),
    "The points of this film are not found yet; wait a moment.": (
        "이 사진의 점을 아직 찾는 중입니다. 잠시 기다리십시오."
    ),
    "This film was put away after a while without use; open it again.": (
        "한동안 사용하지 않아 사진을 치웠습니다. 다시 여십시오."
    ),
    "There is no film yet; choose some first.": "아직 사진이 없습니다. 먼저 선택하십시오.",
    "{} films are too many at once; take up to {}, or use predict.py.": (
        "{}장은 한 번에 너무 많습니다. {}장까지 선택하거나 predict.py를 사용하십시오."
    ),
    "There is no such example; reload the page.": "그런 예제가 없습니다. 페이지를 새로 고치십시오.",
    "This annotation file holds no points; choose another.": (
        "이 주석 파일에는 점이 없습니다. 다른 파일을 선택하십시오."
    ),
    "This is no annotation file; choose one that was saved here or one of Aariz.": (
        "주석 파일이 아닙니다. 여기에서 저장한 파일이나 Aariz 파일을 선택하십시오."
    ),
    "The annotation file is not valid JSON ({}); restore it from its source.": (
        "주석 파일이 올바른 JSON이 아닙니다({})."
    ),
    "The annotation file has no list of landmarks; restore it from its source.": "주석 파일에 계측점 목록이 없습니다.",
    "{} would lie outside the film; place it on the film.": "{} 점이 사진 밖에 있습니다. 사진 위에 지정하십시오.",
    "This length does not fit the two clicks; click both ends and enter millimetres.": (
        "두 지점과 맞지 않는 길이입니다. 양 끝을 클릭하고 mm 단위로 입력하십시오."
    ),
    "A pixel size lies between {} and {} mm; enter such a number.": "픽셀 크기는 {}-{} mm 사이여야 합니다.",
    "This page cannot save that; reload it.": "저장할 수 없는 항목입니다. 페이지를 새로 고치십시오.",
}

TABLES = (PAGE, DAMAGE, PROBLEMS)

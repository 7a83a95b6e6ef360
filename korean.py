"""The Korean of everything that pages and reports say, by its English. A `{}` stands for what is filled in."""

MEASUREMENTS = {
    "SNA": "SNA각",
    "SNB": "SNB각",
    "ANB": "ANB각",
    "SN-GoGn": "SN-GoGn각",
    "SN-OP": "SN-교합평면각",
    "U1-NA": "U1-NA각",
    "U1-NA distance": "U1-NA 거리",
    "L1-NB": "L1-NB각",
    "L1-NB distance": "L1-NB 거리",
    "Interincisal": "절치간각",
    "Pog-NB distance": "Pog-NB 거리",
    "U1-SN": "U1-SN각",
    "U1-PP": "U1-구개평면각",
    "IMPA": "IMPA(하악절치-하악평면각)",
    "FMA": "FMA(FH-하악평면각)",
    "FMIA": "FMIA(FH-하악절치각)",
    "MMPA": "MMPA(구개평면-하악평면각)",
    "SN-PP": "SN-구개평면각",
    "Lower face height": "하안면 고경비",
    "Facial angle": "안면각",
    "Convexity": "안면 돌출각",
    "A-B plane": "A-B 평면각",
    "Y axis": "Y축각",
    "Occlusal cant": "교합평면 경사각",
    "L1-OP": "L1-교합평면각",
    "U1-APog distance": "U1-APog 거리",
    "L1-APog distance": "L1-APog 거리",
    "A-NPog distance": "A-NPog 거리",
    "A-Nperp distance": "A-N수직선 거리",
    "Pog-Nperp distance": "Pog-N수직선 거리",
    "Co-A": "Co-A(중안면 길이)",
    "Co-Gn": "Co-Gn(하악 길이)",
    "Co-Gn minus Co-A": "상하악 길이 차이",
    "ANS-Me": "ANS-Me(하안면 고경)",
    "Wits": "Wits 평가치",
    "Saddle angle": "안장각",
    "Articular angle": "관절각",
    "Gonial angle": "하악각",
    "Sum of angles": "Björk 세 각의 합",
    "Upper gonial angle": "상부 하악각",
    "Lower gonial angle": "하부 하악각",
    "Face height ratio": "전후안면 고경비",
    "Overjet": "수평피개",
    "Overbite": "수직피개",
    "ODI": "ODI(수직피개 심도 지표)",
    "APDI": "APDI(전후방 이형성 지표)",
    "Ls-E line": "상순-E선 거리",
    "Li-E line": "하순-E선 거리",
    "H angle": "H각",
    "Soft convexity": "연조직 돌출각",
    "Soft convexity with nose": "코를 포함한 연조직 돌출각",
    "Z angle": "Z각",
    "MW": "MW(절치단 간 거리)",
    "Jaws, front to back": "악골의 전후방 관계",
    "Jaws, vertical": "악골의 수직 관계",
    "Teeth": "치아",
    "Soft tissue": "연조직",
}

READINGS = {
    "within the norm": "정상 범위",
    "too uncertain to read": "불확실하여 판독할 수 없음",
    "low": "낮음",
    "normal": "정상",
    "high": "높음",
    "maxilla set back (retrognathic)": "상악 후퇴",
    "maxilla set forward (prognathic)": "상악 전돌",
    "mandible set back (retrognathic)": "하악 후퇴",
    "mandible set forward (prognathic)": "하악 전돌",
    "maxilla set back": "상악 후방 위치",
    "maxilla set forward": "상악 전방 위치",
    "mandible set back": "하악 후방 위치",
    "mandible set forward": "하악 전방 위치",
    "skeletal class II tendency": "골격성 II급 경향",
    "skeletal class III tendency": "골격성 III급 경향",
    "low angle (hypodivergent)": "저각(수평 성장형)",
    "high angle (hyperdivergent)": "고각(수직 성장형)",
    "flat occlusal plane": "교합평면 완만",
    "steep occlusal plane": "교합평면 급경사",
    "upper incisor tipped back (retroclined)": "상악 절치 설측 경사",
    "upper incisor tipped forward (proclined)": "상악 절치 순측 경사",
    "upper incisor set back": "상악 절치 후방 위치",
    "upper incisor set forward": "상악 절치 전방 위치",
    "lower incisor tipped back (retroclined)": "하악 절치 설측 경사",
    "lower incisor tipped forward (proclined)": "하악 절치 순측 경사",
    "lower incisor set back": "하악 절치 후방 위치",
    "lower incisor set forward": "하악 절치 전방 위치",
    "incisors tipped forward": "상하악 절치 순측 경사",
    "incisors upright": "상하악 절치 직립",
    "flat chin": "이부 돌출 부족",
    "prominent chin": "이부 돌출",
    "palate tipped up in front": "구개평면 전방부 상방 경사",
    "palate tipped down in front": "구개평면 전방부 하방 경사",
    "short lower face": "하안면 단소",
    "long lower face": "하안면 과다",
    "chin set back": "이부 후퇴",
    "chin set forward": "이부 전돌",
    "concave profile": "오목한 측모",
    "convex profile": "볼록한 측모",
    "growth forward": "전방 성장 경향",
    "growth downward": "하방 성장 경향",
    "short midface": "중안면 길이 짧음",
    "long midface": "중안면 길이 김",
    "short mandible": "하악 길이 짧음",
    "long mandible": "하악 길이 김",
    "mandible short for the midface": "중안면에 비해 하악이 짧음",
    "mandible long for the midface": "중안면에 비해 하악이 김",
    "joint set forward": "악관절 전방 위치",
    "joint set back": "악관절 후방 위치",
    "closed mandible": "하악각 작음",
    "open mandible": "하악각 큼",
    "growth counter-clockwise": "반시계 방향 성장 경향",
    "growth clockwise": "시계 방향 성장 경향",
    "closed bite tendency": "과개교합 경향(하부 하악각)",
    "open bite tendency": "개방교합 경향",
    "small or reversed overjet": "수평피개 작음 또는 반대교합",
    "large overjet": "수평피개 과다",
    "deep bite": "과개교합",
    "deep bite tendency": "과개교합 경향",
    "upper lip set back": "상순 후퇴",
    "upper lip prominent": "상순 돌출",
    "lower lip set back": "하순 후퇴",
    "lower lip prominent": "하순 돌출",
    "convex soft profile": "볼록한 연조직 측모",
    "flat soft profile": "편평한 연조직 측모",
    "lips prominent": "입술 돌출",
    "lips set back": "입술 후퇴",
    "edge to edge or crossbite": "절단교합 또는 반대교합",
    "large distance": "절치단 간 거리 큼",
}

NORMS = {
    "Default": "기본",
    "Men": "남성",
    "Women": "여성",
    "each measurement beside its own author's norm, mostly of European descent; men's where sexes are parted": (
        "계측치마다 그 저자의 정상치를 사용(대부분 유럽계 대상, 저자가 성별을 구분한 경우 남성)"
    ),
    "men, where an author parts the sexes; else as Default": "저자가 성별을 구분한 경우 남성, 그 외에는 기본과 같음",
    "women, where an author parts the sexes; else as Default": "저자가 성별을 구분한 경우 여성, 그 외에는 기본과 같음",
    "{}; else as Default": "{}; 그 외에는 기본과 같음",
    "Steiner": "Steiner",
    "Downs": "Downs",
    "Tweed": "Tweed",
    "Ricketts": "Ricketts",
    "McNamara": "McNamara",
    "McNamara men": "McNamara 남성",
    "McNamara women": "McNamara 여성",
    "Jacobson men": "Jacobson 남성",
    "Jacobson women": "Jacobson 여성",
    "Jarabak": "Jarabak",
    "Eastman": "Eastman(영국)",
    "Kim": "Kim",
    "Holdaway": "Holdaway",
    "Merrifield": "Merrifield",
    "Common": "통용 수치",
    "ISBI 2015": "ISBI 2015",
    "adults of European descent, chosen for good faces": "안모가 양호한 유럽계 성인",
    "20 American adolescents of European descent, 12-17 years, excellent occlusion": (
        "교합이 우수한 12-17세 유럽계 미국 청소년 20명"
    ),
    "American patients of European descent": "유럽계 미국인 환자",
    "American children and adults of European descent": "유럽계 미국 아동과 성인",
    "adults of European descent with good faces, both sexes": "안모가 양호한 유럽계 성인 남녀",
    "men of European descent with good faces": "안모가 양호한 유럽계 성인 남성",
    "women of European descent with good faces": "안모가 양호한 유럽계 성인 여성",
    "men with excellent occlusion": "교합이 우수한 남성",
    "women with excellent occlusion": "교합이 우수한 여성",
    "people of European descent": "유럽계",
    "British people of European descent": "유럽계 영국인",
    "American children of European descent with normal occlusion": "정상교합 유럽계 미국 아동",
    "American adolescents of European descent": "유럽계 미국 청소년",
    "adults; no single source": "성인, 단일 출처 없음",
    "the challenge's classes, for Asian patients": "아시아 환자에 대한 대회의 분류 기준",
}

WARNINGS = {
    "This does not look like a lateral cephalogram, so nothing was placed on it.": (
        "측면두부방사선사진으로 보이지 않아 계측점을 표시하지 않았습니다."
    ),
    "No head was seen, so nothing was placed. The weights may be to blame, not the film: they see none on {} % of the "
    "cephalograms that judged them either; train them longer.": (
        "머리를 찾지 못해 계측점을 표시하지 않았습니다. 사진이 아니라 가중치의 문제일 수 있습니다. "
        "이 가중치는 학습을 평가한 측면두부방사선사진의 {} %에서도 머리를 찾지 못했으므로 더 학습시켜야 합니다."
    ),
    "The face looks to the other side than usual; the film was read mirrored.": (
        "얼굴이 보통과 반대쪽을 향해 있어 좌우를 뒤집어 판독했습니다."
    ),
    "The film is a negative; it was read as a positive.": "명암이 반전된 사진이어서 되돌려 판독했습니다.",
    "The head is turned by {} degrees; it was read upright.": "머리가 {}도 기울어져 있어 바로 세워 판독했습니다.",
    "{} would lie outside the film and is left out.": "{} 점은 사진 밖에 놓이게 되어 제외했습니다.",
    "{} would lie outside the film and are left out.": "{} 점들은 사진 밖에 놓이게 되어 제외했습니다.",
    "The cervical vertebrae C2 to C4 are not to be seen on this film, so no CVM stage is named.": (
        "이 사진에서 제2-4경추가 보이지 않아 CVM 단계를 판정하지 않았습니다."
    ),
    "C2 and C3 do not lie wholly on this film, so no CVM stage is named.": (
        "제2, 제3경추가 사진 안에 온전히 들어 있지 않아 CVM 단계를 판정하지 않았습니다."
    ),
    "C4 does not lie wholly on this film; the CVM stage is named from C2 and C3, and the rules cannot name one.": (
        "제4경추가 사진 안에 온전히 들어 있지 않아 제2, 제3경추로 CVM 단계를 판정했고, 형태 규칙은 적용하지 못했습니다."
    ),
    "C4 does not lie wholly on this film, so the rules cannot name a CVM stage.": (
        "제4경추가 사진 안에 온전히 들어 있지 않아 형태 규칙으로 CVM 단계를 판정하지 못했습니다."
    ),
    "This is a crop of the neck, not a whole cephalogram; only the cervical vertebrae were read.": (
        "측면두부방사선사진 전체가 아니라 경부만 잘라낸 사진이므로 경추만 판독했습니다."
    ),
    "The crop seems to have been squeezed to a square; its heights were read {} times as long.": (
        "정사각형으로 눌린 사진으로 보여 높이를 {}배로 늘려 판독했습니다."
    ),
    "S-N measures {} mm, less than the {} mm of nearly all heads: check S, N and the pixel size. "
    "If the pixel size is too small, lengths come out too short; angles and ratios hold.": (
        "S-N이 {} mm로 대부분의 두개({} mm)보다 짧습니다. S점, N점, 픽셀 크기를 확인하십시오. "
        "픽셀 크기가 너무 작으면 길이가 짧게 나오며, 각도와 비율은 영향을 받지 않습니다."
    ),
    "S-N measures {} mm, more than the {} mm of nearly all heads: check S, N and the pixel size. "
    "If the pixel size is too large, or the film much magnified, lengths come out too long; angles and ratios hold.": (
        "S-N이 {} mm로 대부분의 두개({} mm)보다 깁니다. S점, N점, 픽셀 크기를 확인하십시오. "
        "픽셀 크기가 너무 크거나 확대율이 크면 길이가 길게 나오며, 각도와 비율은 영향을 받지 않습니다."
    ),
}

LANDMARKS = {
    "A-point": "A점",
    "Anterior Nasal Spine": "전비극",
    "B-point": "B점",
    "Menton": "멘톤(이부 최하점)",
    "Nasion": "나지온(비전두봉합 최전점)",
    "Orbitale": "오비탈레(안와 최하점)",
    "Pogonion": "포고니온(이부 최전점)",
    "Posterior Nasal Spine": "후비극",
    "Pronasale": "코끝점",
    "Ramus": "하악지점",
    "Sella": "셀라(터키안 중심)",
    "Articulare": "아티큘라레(관절점)",
    "Condylion": "콘딜리온(하악과두 최상후점)",
    "Gnathion": "그나티온(이부 최전하점)",
    "Gonion": "고니온(하악각점)",
    "Porion": "포리온(외이도 최상점)",
    "Lower 2nd PM Cusp Tip": "하악 제2소구치 교두정",
    "Lower Incisor Tip": "하악 절치 절단",
    "Lower Molar Cusp Tip": "하악 제1대구치 교두정",
    "Upper 2nd PM Cusp Tip": "상악 제2소구치 교두정",
    "Upper Incisor Apex": "상악 절치 치근단",
    "Upper Incisor Tip": "상악 절치 절단",
    "Upper Molar Cusp Tip": "상악 제1대구치 교두정",
    "Lower Incisor Apex": "하악 절치 치근단",
    "Labrale inferius": "하순 최전점",
    "Labrale superius": "상순 최전점",
    "Soft Tissue Nasion": "연조직 나지온",
    "Soft Tissue Pogonion": "연조직 포고니온",
    "Subnasale": "비하점",
}

LINES = {
    "S-N": "S-N 평면",
    "Frankfort horizontal": "FH 평면",
    "Palatal plane": "구개평면",
    "Functional occlusal plane": "기능적 교합평면",
    "Mandibular plane": "하악평면",
    "N-A": "N-A선",
    "N-B": "N-B선",
    "Facial plane": "안면평면(N-Pog)",
    "A-Pog": "A-Pog선",
    "S-Gn": "S-Gn선(Y축)",
    "Upper incisor": "상악 절치 장축",
    "Lower incisor": "하악 절치 장축",
    "E-line": "E선(심미선)",
    "Soft-tissue profile": "연조직 측모",
    "Mandible": "하악 외형",
    "Maxilla": "상악 외형",
    "Cranial base": "두개저",
}

STAGES = {
    "CVM stage": "경추골 성숙도(CVM) 단계",
    "stage {}": "{}단계",
    "stage {} or {}": "{} 또는 {}단계",
    "CVM stage {}": "경추골 성숙도(CVM) {}단계",
    "CVM stage {} or {}": "경추골 성숙도(CVM) {} 또는 {}단계",
    "By the shape of the vertebrae": "경추 형태에 따른 판정",
}

# The reason for a stage, such as "C2 and C3 concave, C4 flat, C3 and C4 trapezoid: CS3", word by word.
NECK = {
    "C2, C3 and C4": "C2·C3·C4",
    " and ": "·",
    " concave": " 오목",
    " flat": " 편평",
    " trapezoid": " 사다리꼴",
    " rectangular horizontal": " 가로 직사각형",
    " rectangular vertical": " 세로 직사각형",
    " square": " 정사각형",
}

REPORT = {
    "Cephalometric report": "측면두부계측 보고서",
    "Date": "날짜",
    "At a glance": "주요 소견",
    "Scale": "축척",
    "Warnings": "주의 사항",
    "Weights": "가중치 파일",
    "Norms": "정상치",
    "Measurement": "계측 항목",
    "Value": "계측치",
    "95 % interval": "95 % 구간",
    "Norm": "정상치 범위",
    "Deviation": "편차",
    "Reading": "판독",
    "Norm of": "정상치 출처",
    "Deviation from the norm": "정상치와의 편차",
    "the interval reaches into another reading": "95 % 구간이 다른 판독 범위에 걸침",
    "its 95 % interval reaches from below the norm to above it": "95 % 구간이 정상 범위 아래에서 위까지 걸침",
    "rests on a point that readers taught": "전문의가 아닌 판독자가 표시한 자료로 학습한 점에 의존",
    "rests on a point of the user's: taken as certain": "사용자가 지정한 점에 의존(오차 없는 것으로 간주)",
    "taught by experts": "전문의 자료로 학습",
    "taught by readers who are no clinicians": "임상가가 아닌 판독자의 자료로 학습",
    "placed by the user": "사용자가 지정",
    "holds the true point on 95 % of films": "사진의 95 %에서 실제 점을 포함하는 원",
    "No pixel size is known, so there are angles and ratios, but no lengths.": (
        "픽셀 크기를 알 수 없어 각도와 비율만 제시하고 길이는 제시하지 않습니다."
    ),
    "One pixel is {} mm.": "1픽셀은 {} mm입니다.",
    "from the DICOM file": "DICOM 파일의 값",
    "given by the user": "사용자 입력",
    "measured on the ruler": "눈금자로 측정",
    "and {} more, in the JSON file": "외 {}건은 JSON 파일 참조",
    "No norm is a target for anyone.": "정상치는 치료 목표가 아닙니다.",
    "Not a medical device: for research and teaching only. Nothing here may decide how a patient is treated.": (
        "의료기기가 아닙니다. 연구와 교육 목적으로만 사용하며, 이 결과로 환자의 치료를 결정해서는 안 됩니다."
    ),
}

TABLES = (MEASUREMENTS, READINGS, NORMS, WARNINGS, LANDMARKS, LINES, STAGES, REPORT)

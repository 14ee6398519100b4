// Given and family names that are widespread among Basotho; the generator combines them, no person is meant.

export const femaleNames = [
  'Lineo', 'Palesa', 'Thato', 'Nthabiseng', 'Puleng', 'Mpho', 'Limpho', 'Rethabile', 'Tšepiso', 'Keketso', 'Lerato',
  'Boitumelo', 'Refiloe', 'Lebohang', 'Neo', 'Mamello', 'Khothatso', 'Nthatisi', 'Mosele', 'Polo', 'Itumeleng',
  'Masechaba', 'Maleshoane', 'Moliehi', 'Nteboheleng', 'Reitumetse', 'Seipati', 'Tlalane', 'Tsoarelo', 'Likeleko',
  'Nthoesele', 'Matšeliso', "'Mathabo", "'Makatleho", "'Marethabile", "'Mapalesa", 'Relebohile', 'Teboho',
] as const;

export const maleNames = [
  'Thabo', 'Tšepo', 'Teboho', 'Lebohang', 'Neo', 'Tumelo', 'Katleho', 'Motlatsi', 'Moeketsi', 'Pheello', 'Tsebo',
  'Kabelo', 'Molefi', 'Sello', 'Tau', 'Khotso', 'Mohau', 'Retšelisitsoe', 'Bokang', 'Hlompho', 'Karabo', 'Lehlohonolo',
  'Liteboho', 'Mokete', 'Mosiuoa', 'Ntsane', 'Paballo', 'Rapelang', 'Sechaba', 'Tankiso', 'Thapelo', 'Tlotliso',
  'Tokelo', 'Tšeliso', 'Realeboha', 'Nthako', 'Mpho', 'Relebohile',
] as const;

export const familyNames = [
  'Mokoena', 'Mofokeng', 'Motaung', 'Mohale', 'Lebona', 'Letuka', 'Makhetha', 'Maphisa', 'Mokhele', 'Molefe',
  'Monyane', 'Mosala', 'Ntšekhe', 'Phafoli', 'Rantšo', 'Sehloho', 'Tlali', 'Thamae', 'Tšehlo', 'Khalane', 'Kolobe',
  'Lephoto', 'Leteka', 'Makoa', 'Mohlomi', 'Molapo', 'Moletsane', 'Moroke', 'Motsoene', 'Nkhahle', 'Ntsane', 'Pitso',
  'Ramokoena', 'Sekhesa', 'Sello', 'Taole', 'Thulo', 'Tsiu', 'Khoeli', 'Lekhooa', 'Makara', 'Mathe', 'Mokhethi',
  'Nthunya', 'Qhobela', 'Rasekoai', 'Selebalo', 'Tšolo',
] as const;

/** Villages and town quarters near a facility: `Ha X`, "at X's". */
export const villages = [
  'Ha Mokoena', 'Ha Thabo', 'Ha Rantšo', 'Ha Makara', 'Ha Tlali', 'Ha Lephoto', 'Ha Moletsane', 'Ha Sekhesa',
  'Ha Khoeli', 'Ha Pitso', 'Ha Thamae', 'Ha Leteka', 'Upper Town', 'Lower Town', 'Station Road', 'Mission Road',
] as const;

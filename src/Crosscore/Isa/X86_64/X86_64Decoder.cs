using static Crosscore.Isa.X86_64OpcodeTables;

namespace Crosscore.Isa;

/// <summary>
/// Where an x86-64 instruction ends and where its parts lie. Pure, and deliberately ignorant: what it does not know it
/// refuses, and so nothing is patched whose boundaries are a guess. Source: Intel SDM vol. 2, chapter 2 and appendix A.
/// The tests hold it against another decoder for every opcode, prefix and ModRM byte.
/// </summary>
internal ref struct X86_64Decoder
{
    private const int MaxInstructionBytes = 15; // SDM vol. 2, 2.3.11

    private readonly ReadOnlySpan<byte> _code;
    private int _at;
    private X86_64Prefixes _prefixes;
    private byte _rex;
    private int _opcodeOffset;
    private int _modRmOffset;
    private int _displacementOffset;
    private int _displacementSize;
    private bool _ripRelative;

    private X86_64Decoder(ReadOnlySpan<byte> code) => _code = code;

    /// <summary>Decodes the instruction at the start of <paramref name="code"/>.</summary>
    /// <returns>False where the bytes end too early or are not known to be an instruction.</returns>
    public static bool TryDecode(ReadOnlySpan<byte> code, out X86_64Instruction instruction)
    {
        var decoder = new X86_64Decoder(code.Length > MaxInstructionBytes ? code[..MaxInstructionBytes] : code);
        return decoder.Decode(out instruction);
    }

    private bool Decode(out X86_64Instruction instruction)
    {
        instruction = default;
        byte opcode = ReadPrefixes();
        _opcodeOffset = _at - 1;
        return _at <= _code.Length
            && opcode switch
            {
                0x0F => Escaped(out instruction),
                0xC4 or 0xC5 => Vex(opcode, out instruction),
                0x62 => Evex(out instruction),
                // Otherwise it is pop, whose ModRM has a null there.
                0x8F when _at < _code.Length && (_code[_at] & 0x1F) >= 8 => Xop(out instruction),
                _ => Primary(opcode, out instruction),
            };
    }

    /// <summary>Prefixes in any number and order; a REX prefix counts only directly before the opcode.</summary>
    private byte ReadPrefixes()
    {
        while (true)
        {
            byte next = Next();
            X86_64Prefixes prefix = next switch
            {
                0x66 => X86_64Prefixes.OperandSize,
                0x67 => X86_64Prefixes.AddressSize,
                0xF2 => X86_64Prefixes.RepeatNotEqual,
                0xF3 => X86_64Prefixes.Repeat,
                0xF0 => X86_64Prefixes.Lock,
                0x26 or 0x2E or 0x36 or 0x3E or 0x64 or 0x65 => X86_64Prefixes.Segment,
                _ => X86_64Prefixes.None,
            };
            if (prefix == X86_64Prefixes.None && next is < 0x40 or > 0x4F)
            {
                return next;
            }

            _rex = prefix == X86_64Prefixes.None ? next : (byte)0;
            _prefixes |= prefix;
        }
    }

    private bool Primary(byte opcode, out X86_64Instruction instruction)
    {
        instruction = default;
        if (!IsPrimary(opcode) || (PrimaryHasModRm(opcode) && !ReadModRm()))
        {
            return false;
        }

        byte modRm = _modRmOffset != 0 ? _code[_modRmOffset] : (byte)0;
        int register = modRm >> 3 & 7;
        X86_64Branch branch = opcode switch
        {
            >= 0x70 and <= 0x7F => X86_64Branch.Conditional,
            >= 0xE0 and <= 0xE3 => X86_64Branch.Loop,
            0xE8 => X86_64Branch.Call,
            0xE9 or 0xEB => X86_64Branch.Jump,
            0xC7 when modRm == 0xF8 => X86_64Branch.Transaction,
            _ => X86_64Branch.None,
        };
        int immediate = opcode switch
        {
            < 0x40 when (opcode & 7) == 4 => 1,
            < 0x40 when (opcode & 7) == 5 => Word,
            0x68 or 0x69 or 0x81 or 0xA9 or 0xC7 => Word,
            0x6A or 0x6B or 0x80 or 0x83 or 0xA8 or 0xC0 or 0xC1 or 0xC6 or 0xCD => 1,
            // The address itself: mov al, [moffs].
            >= 0xA0 and <= 0xA3 => _prefixes.HasFlag(X86_64Prefixes.AddressSize) ? 4 : 8,
            >= 0xB0 and <= 0xB7 => 1,
            >= 0xB8 and <= 0xBF => (_rex & 8) != 0 ? 8 : Word,
            0xC2 or 0xCA => 2,
            0xC8 => 3,
            0xF6 when register < 2 => 1,
            0xF7 when register < 2 => Word,
            >= 0x70 and <= 0x7F or >= 0xE0 and <= 0xE7 or 0xEB => 1,
            0xE8 or 0xE9 => 4,
            _ => 0,
        };
        return Finish(X86_64OpcodeMap.Primary, opcode, immediate, branch, out instruction);
    }

    private bool Escaped(out X86_64Instruction instruction)
    {
        instruction = default;
        byte opcode = Next();
        if (_at > _code.Length)
        {
            return false;
        }

        if (opcode is 0x38 or 0x3A)
        {
            byte third = Next();
            bool wide = opcode == 0x3A;
            return _at <= _code.Length
                && (wide ? Is0F3A(third) : Is0F38(third))
                && ReadModRm()
                && Finish(
                    wide ? X86_64OpcodeMap.Map0F3A : X86_64OpcodeMap.Map0F38,
                    third,
                    wide ? 1 : 0,
                    X86_64Branch.None,
                    out instruction
                );
        }

        bool toControlRegister = opcode is >= 0x20 and <= 0x23; // Whatever ModRM says, these have registers only.
        if (
            !Is0F(opcode)
            || (opcode == 0xB8 && !_prefixes.HasFlag(X86_64Prefixes.Repeat)) // popcnt; without F3 it was Itanium's
            || (Map0FHasModRm(opcode) && !ReadModRm(toControlRegister))
        )
        {
            return false;
        }

        return opcode switch
        {
            >= 0x80 and <= 0x8F => Finish(X86_64OpcodeMap.Map0F, opcode, 4, X86_64Branch.Conditional, out instruction),
            // vmread, or with 66 or F2 SSE4a's extrq and insertq, which have two bytes of immediate.
            0x78 => Finish(
                X86_64OpcodeMap.Map0F,
                opcode,
                (_prefixes & (X86_64Prefixes.OperandSize | X86_64Prefixes.RepeatNotEqual)) != 0 ? 2 : 0,
                X86_64Branch.None,
                out instruction
            ),
            _ => Finish(X86_64OpcodeMap.Map0F, opcode, Map0FImmediate(opcode), X86_64Branch.None, out instruction),
        };
    }

    private bool Vex(byte prefix, out X86_64Instruction instruction)
    {
        instruction = default;
        byte first = Next();
        int map = prefix == 0xC5 ? 1 : first & 0x1F;
        if (prefix == 0xC4)
        {
            _ = Next();
        }

        byte opcode = Next();
        bool modRm = map != 1 || opcode != 0x77; // vzeroupper
        return VectorMayFollow
            && IsVex(map, opcode)
            && (!modRm || ReadModRm())
            && Finish(X86_64OpcodeMap.Vector, opcode, VectorImmediate(map, opcode), X86_64Branch.None, out instruction);
    }

    private bool Evex(out X86_64Instruction instruction)
    {
        instruction = default;
        byte first = Next();
        byte second = Next();
        _ = Next();
        byte opcode = Next();
        int map = first & 7;
        bool apx = (first & 8) != 0 || (second & 4) == 0;
        return VectorMayFollow
            && !apx
            && IsEvex(map, opcode)
            && ReadModRm()
            && Finish(X86_64OpcodeMap.Vector, opcode, VectorImmediate(map, opcode), X86_64Branch.None, out instruction);
    }

    private bool Xop(out X86_64Instruction instruction)
    {
        instruction = default;
        int map = Next() & 0x1F;
        _ = Next();
        byte opcode = Next();
        return VectorMayFollow
            && IsXop(map, opcode)
            && ReadModRm()
            && Finish(
                X86_64OpcodeMap.Vector,
                opcode,
                map switch
                {
                    8 => 1,
                    10 => 4,
                    _ => 0,
                },
                X86_64Branch.None,
                out instruction
            );
    }

    /// <summary>VEX, EVEX and XOP replace these prefixes; together with one they are undefined.</summary>
    private readonly bool VectorMayFollow =>
        _at <= _code.Length && _rex == 0 && (_prefixes & ~(X86_64Prefixes.Segment | X86_64Prefixes.AddressSize)) == 0;

    private static int VectorImmediate(int map, byte opcode) =>
        map switch
        {
            1 => Map0FImmediate(opcode),
            3 => 1,
            _ => 0,
        };

    /// <summary>The size of an immediate that goes with the operand size but never exceeds four bytes.</summary>
    private readonly int Word => (_rex & 8) == 0 && _prefixes.HasFlag(X86_64Prefixes.OperandSize) ? 2 : 4;

    private bool ReadModRm(bool registersOnly = false)
    {
        _modRmOffset = _at;
        byte modRm = Next();
        int mode = registersOnly ? 3 : modRm >> 6;
        if (mode == 3 || _at > _code.Length)
        {
            return _at <= _code.Length;
        }

        int baseRegister = modRm & 7;
        _ripRelative = mode == 0 && baseRegister == 5;
        if (baseRegister == 4)
        {
            baseRegister = Next() & 7; // SIB; its base of 5 without a mode means a displacement alone.
        }

        _displacementSize = mode switch
        {
            1 => 1,
            2 => 4,
            _ => baseRegister == 5 ? 4 : 0,
        };
        _displacementOffset = _displacementSize == 0 ? 0 : _at;
        _at += _displacementSize;
        return _at <= _code.Length;
    }

    private bool Finish(
        X86_64OpcodeMap map,
        byte opcode,
        int immediate,
        X86_64Branch branch,
        out X86_64Instruction instruction
    )
    {
        int immediateOffset = immediate == 0 ? 0 : _at;
        _at += immediate;
        instruction = new X86_64Instruction(
            _at,
            map,
            opcode,
            _prefixes,
            _rex,
            _opcodeOffset,
            _modRmOffset,
            _displacementOffset,
            _displacementSize,
            immediateOffset,
            immediate,
            _ripRelative,
            branch
        );

        // With 66 before a branch Intel ignores the prefix and AMD cuts the distance and the target to 16 bits (APM
        // vol. 3, 1.2.2).
        bool disputed = branch != X86_64Branch.None && _prefixes.HasFlag(X86_64Prefixes.OperandSize);
        return _at <= _code.Length
            && !disputed
            && (!_prefixes.HasFlag(X86_64Prefixes.Lock) || MayBeLocked(map, opcode));
    }

    /// <summary>
    /// LOCK before anything but a read, change and write of memory raises #UD: a jump or a NOP behind it is none, and a
    /// thread that met a breakpoint there must not be sent past it.
    /// </summary>
    private readonly bool MayBeLocked(X86_64OpcodeMap map, byte opcode) =>
        _modRmOffset != 0 && _code[_modRmOffset] is < 0xC0 and var modRm && TakesLock(map, opcode, modRm >> 3 & 7);

    /// <summary>The next byte; behind the end it is 0, and <see cref="_at"/> tells.</summary>
    private byte Next() => _at < _code.Length ? _code[_at++] : Beyond();

    private byte Beyond()
    {
        _at = _code.Length + 1;
        return 0;
    }
}

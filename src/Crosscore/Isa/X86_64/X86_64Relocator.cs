using System.Buffers.Binary;

namespace Crosscore.Isa;

/// <summary>
/// Instructions that do, at another address, what they do at their own. A pure function of its spans. Branches become
/// as wide as they need to; memory operands relative to the instruction pointer get another distance; a call leaves the
/// return address that it would have left, without a scratch register, without the flags and without the red zone, so
/// it costs a word of memory beside it.
/// </summary>
internal static class X86_64Relocator
{
    /// <summary>The most that an instruction of 15 bytes, or the instructions in its place, can grow to.</summary>
    public const int MaxCopyBytes = 192;

    private const byte CallLength = 6 + 5; // push [next word]; jmp rel32. The word follows all code.

    /// <summary>Writes a copy and the jump back behind the instructions.</summary>
    /// <param name="code">Whole instructions, at most 15 bytes.</param>
    /// <param name="from">Their address.</param>
    /// <param name="to">The address of the copy.</param>
    /// <param name="copy">At least <see cref="MaxCopyBytes"/> bytes.</param>
    /// <param name="length">Bytes written, the words beside it included.</param>
    /// <param name="obstacle">Why there is no such copy.</param>
    public static bool TryMove(
        ReadOnlySpan<byte> code,
        nint from,
        nint to,
        Span<byte> copy,
        out int length,
        out string? obstacle
    )
    {
        // Where each instruction of the original begins in the copy, so that a branch among them stays among them; -1
        // where none begins.
        Span<short> begins = stackalloc short[code.Length];
        if (!TryMeasure(code, begins, out length, out int words, out obstacle))
        {
            return false;
        }

        int word = (length + 5 + 7) & ~7;
        for (int at = 0; at < code.Length; )
        {
            ReadOnlySpan<byte> instruction = code[at..];
            _ = X86_64Decoder.TryDecode(instruction, out X86_64Instruction parts);
            instruction = instruction[..parts.Length];
            var place = new Placement(from + at, to, begins[at], copy);
            if (IsCall(instruction, parts))
            {
                BinaryPrimitives.WriteInt64LittleEndian(copy[word..], from + at + parts.Length);
                place.Write([0xFF, 0x35]); // push [word]
                place.WriteDistance(to + word);
                word += 8;
            }

            if (
                !(
                    parts.Branch != X86_64Branch.None
                        ? MoveBranch(ref place, instruction, parts, begins, from)
                        : MoveOther(ref place, instruction, parts)
                )
            )
            {
                obstacle = "reaches further than 2 GiB from another place";
                return false;
            }

            at += parts.Length;
        }

        var back = new Placement(from, to, length, copy);
        back.Write([0xE9]);
        if (!back.WriteDistance(from + code.Length))
        {
            obstacle = "is further than 2 GiB from the place for its copy";
            return false;
        }

        length += 5;
        length = words == 0 ? length : word;
        return true;
    }

    /// <param name="code">The instructions.</param>
    /// <param name="begins">Receives where each begins in the copy; -1 where none begins.</param>
    /// <param name="length">Bytes of the copies.</param>
    /// <param name="words">How many return addresses stand beside them.</param>
    /// <param name="obstacle">Why there can be no copy.</param>
    private static bool TryMeasure(
        ReadOnlySpan<byte> code,
        Span<short> begins,
        out int length,
        out int words,
        out string? obstacle
    )
    {
        begins.Fill(-1);
        length = 0;
        words = 0;
        obstacle = null;
        for (int at = 0; at < code.Length; )
        {
            ReadOnlySpan<byte> instruction = code[at..];
            if (!X86_64Decoder.TryDecode(instruction, out X86_64Instruction parts))
            {
                obstacle = "is not known";
                return false;
            }

            begins[at] = (short)length;
            if ((obstacle = Obstacle(instruction[..parts.Length], parts)) is not null)
            {
                return false;
            }

            length += LengthOf(instruction, parts);
            words += IsCall(instruction, parts) ? 1 : 0;
            at += parts.Length;
        }

        return true;
    }

    /// <summary>Whether one of these instructions pushes a return address.</summary>
    public static bool HasCall(ReadOnlySpan<byte> code)
    {
        for (
            int at = 0;
            at < code.Length && X86_64Decoder.TryDecode(code[at..], out X86_64Instruction parts);
            at += parts.Length
        )
        {
            if (IsCall(code[at..], parts))
            {
                return true;
            }
        }

        return false;
    }

    private static bool IsCall(ReadOnlySpan<byte> instruction, in X86_64Instruction parts) =>
        parts.Branch == X86_64Branch.Call
        || (parts is { Map: X86_64OpcodeMap.Primary, Opcode: 0xFF } && (instruction[parts.ModRmOffset] >> 3 & 7) == 2);

    private static string? Obstacle(ReadOnlySpan<byte> instruction, in X86_64Instruction parts)
    {
        if (parts.IsRipRelative && parts.Prefixes.HasFlag(X86_64Prefixes.AddressSize))
        {
            return "addresses memory relative to half of the instruction pointer";
        }

        if (parts is not { Map: X86_64OpcodeMap.Primary, Opcode: 0xFF })
        {
            return null;
        }

        byte modRm = instruction[parts.ModRmOffset];
        return (modRm >> 3 & 7) switch
        {
            2 when parts.Prefixes.HasFlag(X86_64Prefixes.OperandSize) => "is a call whose width processors disagree on",
            2
                when (modRm & 7) == 4
                    && (parts.Rex & 1) == 0
                    && (modRm >= 0xC0 || (instruction[parts.ModRmOffset + 1] & 7) == 4) =>
                "is a call through the stack pointer, which the copy has moved by then",
            3 => "is a far call",
            _ => null,
        };
    }

    private static int LengthOf(ReadOnlySpan<byte> instruction, in X86_64Instruction parts) =>
        parts.Branch switch
        {
            X86_64Branch.Jump => 5,
            X86_64Branch.Conditional => 6,
            X86_64Branch.Loop => parts.Length + 2 + 5,
            X86_64Branch.Call => CallLength,
            _ when IsCall(instruction, parts) => 6 + parts.Length,
            _ => parts.Length,
        };

    private static bool MoveBranch(
        ref Placement place,
        scoped ReadOnlySpan<byte> instruction,
        in X86_64Instruction parts,
        scoped ReadOnlySpan<short> begins,
        nint from
    )
    {
        nint target = place.From + parts.Length + parts.Distance(instruction);
        nint inside = target - from;
        if (inside >= 0 && inside < begins.Length && begins[(int)inside] >= 0 && parts.Branch != X86_64Branch.Call)
        {
            target = place.To + begins[(int)inside];
        }

        switch (parts.Branch)
        {
            case X86_64Branch.Jump or X86_64Branch.Call:
                place.Write([0xE9]);
                break;
            case X86_64Branch.Conditional:
                place.Write([0x0F, (byte)(0x80 | (parts.Opcode & 0x0F))]);
                break;
            case X86_64Branch.Loop:
                place.Write(instruction[..^1]); // Prefixes and opcode.
                place.Write([2, 0xEB, 5, 0xE9]); // To the wide jump, or over it.
                break;
            default:
                place.Write(instruction[..^4]); // xbegin
                break;
        }

        return place.WriteDistance(target);
    }

    private static bool MoveOther(
        ref Placement place,
        scoped ReadOnlySpan<byte> instruction,
        in X86_64Instruction parts
    )
    {
        int start = place.At;
        bool call = IsCall(instruction, parts);
        place.Write(instruction);
        if (call)
        {
            place.Copy[start + parts.ModRmOffset] ^= (2 ^ 4) << 3; // From call to jmp.
        }

        if (!parts.IsRipRelative)
        {
            return true;
        }

        long target =
            place.From + parts.Length + BinaryPrimitives.ReadInt32LittleEndian(instruction[parts.DisplacementOffset..]);
        long distance = target - (place.To + place.At);
        BinaryPrimitives.WriteInt32LittleEndian(place.Copy[(start + parts.DisplacementOffset)..], (int)distance);
        return distance == (int)distance;
    }

    /// <summary>Where an instruction comes from, and where its copy is being written.</summary>
    private ref struct Placement(nint from, nint to, int at, Span<byte> copy)
    {
        public readonly Span<byte> Copy = copy;

        public nint From { get; } = from;

        public nint To { get; } = to;

        public int At { get; private set; } = at;

        public void Write(scoped ReadOnlySpan<byte> bytes)
        {
            bytes.CopyTo(Copy[At..]);
            At += bytes.Length;
        }

        /// <summary>Four bytes of distance from their own end.</summary>
        public bool WriteDistance(nint target)
        {
            long distance = target - (To + At + 4);
            BinaryPrimitives.WriteInt32LittleEndian(Copy[At..], (int)distance);
            At += 4;
            return distance == (int)distance;
        }
    }
}

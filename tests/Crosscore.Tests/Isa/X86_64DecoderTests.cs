using Crosscore.Isa;
using Iced.Intel;

namespace Crosscore.Tests.Isa;

/// <summary>
/// The library's decoder against Iced's: every opcode of every map, every ModRM byte, the prefixes that matter.
/// </summary>
public sealed class X86_64DecoderTests
{
    private static readonly byte[][] LegacyPrefixes =
    [
        [],
        [0x66],
        [0x67],
        [0xF2],
        [0xF3],
        [0xF0],
        [0x64],
        [0x2E],
        [0x40],
        [0x41],
        [0x48],
        [0x4F],
        [0xF0, 0x48],
        [0xF0, 0x66],
        [0xF3, 0xF0],
        [0x66, 0x48],
        [0x66, 0x41],
        [0x48, 0x66],
        [0xF2, 0x48],
        [0xF3, 0x4C],
        [0x66, 0xF2],
        [0x66, 0xF3],
        [0x67, 0x66, 0x48],
        [0x65, 0x67],
        [0xF2, 0x66, 0x42],
    ];

    private static readonly byte[][] VectorPrefixes =
    [
        [],
        [0x67],
        [0x65],
        [0x66],
        [0xF3],
        [0xF0],
        [0x48],
    ];

    // With a base of 5 and without, with an index and without.
    private static readonly byte[] Sibs = [0x24, 0x25, 0x00, 0x8D, 0xFF];

    [Fact]
    public void Instructions_of_the_legacy_maps_have_the_length_and_the_parts_that_Iced_finds()
    {
        var disagreements = new Disagreements();
        foreach (byte[] prefix in LegacyPrefixes)
        {
            foreach (byte[] map in new byte[][] { [], [0x0F], [0x0F, 0x38], [0x0F, 0x3A] })
            {
                Bytes(opcode => disagreements.OfEveryModRm([.. prefix, .. map, opcode]));
            }
        }

        disagreements.MustBeNone(atLeast: 3_000_000);
    }

    [Fact]
    public void Instructions_behind_VEX_do_too()
    {
        var disagreements = new Disagreements();
        foreach (byte[] prefix in VectorPrefixes)
        {
            Bytes(opcode =>
            {
                foreach (byte second in (ReadOnlySpan<byte>)[0xF8, 0xF9, 0xFA, 0xFB, 0xFC, 0x78, 0x85])
                {
                    disagreements.OfEveryModRm([.. prefix, 0xC5, second, opcode]);
                    foreach (byte first in (ReadOnlySpan<byte>)[0xE0, 0xE1, 0xE2, 0xE3, 0xE4, 0xE7, 0x01, 0x42, 0xC3])
                    {
                        disagreements.OfEveryModRm([.. prefix, 0xC4, first, second, opcode]);
                    }
                }
            });
        }

        disagreements.MustBeNone(atLeast: 1_000_000);
    }

    [Fact]
    public void Instructions_behind_EVEX_do_too()
    {
        var disagreements = new Disagreements();
        foreach (
            byte[] prefix in (ReadOnlySpan<byte[]>)
                [
                    [],
                    [0x67],
                    [0x66],
                    [0x48],
                ]
        )
        {
            Bytes(opcode =>
            {
                foreach (byte first in (ReadOnlySpan<byte>)[0xF0, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0x62, 0xF9])
                {
                    foreach (byte second in (ReadOnlySpan<byte>)[0x7C, 0x7D, 0x7E, 0x7F, 0xFC, 0xFD, 0xFE, 0x05, 0x78])
                    {
                        foreach (byte third in (ReadOnlySpan<byte>)[0x08, 0x28, 0x49, 0x58])
                        {
                            disagreements.OfEveryModRm([.. prefix, 0x62, first, second, third, opcode], sparse: true);
                        }
                    }
                }
            });
        }

        disagreements.MustBeNone(atLeast: 900_000);
    }

    [Fact]
    public void Instructions_behind_XOP_do_too()
    {
        var disagreements = new Disagreements();
        Bytes(opcode =>
        {
            foreach (byte first in (ReadOnlySpan<byte>)[0xE8, 0xE9, 0xEA, 0xEB, 0x08])
            {
                foreach (byte second in (ReadOnlySpan<byte>)[0x78, 0x7C, 0xF8, 0x79])
                {
                    disagreements.OfEveryModRm([0x8F, first, second, opcode]);
                }
            }
        });
        disagreements.MustBeNone(atLeast: 30_000);
    }

    [Theory]
    [InlineData("", "no bytes")]
    [InlineData("B8010203", "an immediate cut short")]
    [InlineData("0F", "an escape alone")]
    [InlineData("C4E1", "VEX cut short")]
    [InlineData("666666666666666666666666666690", "15 bytes are the most", 15)]
    [InlineData("66666666666666666666666666666690", "16 are too many")]
    [InlineData("82C001", "not in 64-bit mode")]
    [InlineData("D50090", "REX2")]
    [InlineData("0FFF00", "UD0: processors differ")]
    [InlineData("66E900000000", "a branch with 66: processors differ")]
    [InlineData("0FB800000000", "JMPE")]
    [InlineData("0F0F009E", "3DNow!")]
    [InlineData("F090", "LOCK before a NOP")]
    [InlineData("F00F1F00", "LOCK before a NOP with an operand")]
    [InlineData("F0EB00", "LOCK before a jump")]
    [InlineData("F0E900000000", "LOCK before a jump")]
    [InlineData("F0E800000000", "LOCK before a call")]
    [InlineData("F07400", "LOCK before a conditional jump")]
    [InlineData("F0C3", "LOCK before a return")]
    [InlineData("F001C0", "LOCK before an addition of registers")]
    [InlineData("F03900", "LOCK before a comparison")]
    [InlineData("F08B00", "LOCK before a load")]
    [InlineData("F0C7F800000000", "LOCK before xbegin")]
    [InlineData("F00100", "LOCK before an addition to memory", 3)]
    [InlineData("F0480FB10B", "LOCK before a compare and exchange", 5)]
    public void What_is_cut_short_or_not_known_is_refused(string hexadecimal, string why, int length = 0)
    {
        bool known = X86_64Decoder.TryDecode(Convert.FromHexString(hexadecimal), out X86_64Instruction instruction);
        Assert.True(known == length > 0, why);
        Assert.Equal(length, known ? instruction.Length : 0);
    }

    /// <summary>
    /// Bytes as they come, and pieces of a compiled library with one byte changed; always the same ones.
    /// </summary>
    [Fact]
    public void Two_million_strings_of_bytes_are_decoded_as_Iced_decodes_them()
    {
        var disagreements = new Disagreements();
        var random = new Random(20261130);
        byte[] compiled = File.ReadAllBytes(typeof(object).Assembly.Location);
        byte[] bytes = new byte[24];
        for (int round = 0; round < 2_000_000; round++)
        {
            if (round % 2 == 0)
            {
                random.NextBytes(bytes);
            }
            else
            {
                compiled.AsSpan(random.Next(compiled.Length - bytes.Length), bytes.Length).CopyTo(bytes);
                bytes[random.Next(8)] = (byte)random.Next(256);
            }

            disagreements.Of(bytes);
        }

        disagreements.MustBeNone(atLeast: 500_000);
    }

    /// <summary>
    /// Instructions that Iced knows and the library refuses, because processors disagree on them or have them no
    /// longer.
    /// </summary>
    internal static bool IsRefusedOnPurpose(in Instruction instruction, ReadOnlySpan<byte> bytes) =>
        instruction.Mnemonic is Mnemonic.Ud0 or Mnemonic.Ud1
        || instruction.Code.CpuidFeatures().Any(feature => feature is CpuidFeature.D3NOW or CpuidFeature.D3NOWEXT)
        || (
            instruction.Op0Kind is OpKind.NearBranch16 or OpKind.NearBranch32 or OpKind.NearBranch64
            && bytes[..instruction.Length].Contains((byte)0x66)
        );

    private static void Bytes(Action<byte> action)
    {
        for (int value = 0; value < 256; value++)
        {
            action((byte)value);
        }
    }

    /// <summary>Counts what both decoders know, and remembers where they differ.</summary>
    private sealed class Disagreements
    {
        private const ulong Address = 0x1_0000_0000;

        private readonly List<string> _found = [];
        private readonly byte[] _bytes = new byte[24];
        private readonly ByteArrayCodeReader _reader;
        private readonly Decoder _iced;
        private long _compared;

        public Disagreements()
        {
            _reader = new ByteArrayCodeReader(_bytes);
            _iced = Decoder.Create(64, _reader);
        }

        public void OfEveryModRm(ReadOnlySpan<byte> start, bool sparse = false)
        {
            for (int modRm = 0; modRm < 256; modRm += sparse ? 3 : 1)
            {
                bool sib = modRm < 0xC0 && (modRm & 7) == 4;
                foreach (byte second in sib ? Sibs : [0x24])
                {
                    // What follows differs from byte to byte, so an offset that is wrong shows.
                    for (int index = 0; index < _bytes.Length; index++)
                    {
                        _bytes[index] = (byte)(0x11 + (index * 7));
                    }

                    start.CopyTo(_bytes);
                    _bytes[start.Length] = (byte)modRm;
                    _bytes[start.Length + 1] = second;
                    Compare();
                }
            }
        }

        public void Of(ReadOnlySpan<byte> bytes)
        {
            bytes.CopyTo(_bytes);
            Compare();
        }

        public void MustBeNone(long atLeast)
        {
            Assert.Empty(_found);
            Assert.True(_compared >= atLeast, $"only {_compared} instructions were compared");
        }

        private void Compare()
        {
            _reader.Position = 0;
            _iced.IP = Address;
            _iced.Decode(out Instruction theirs);
            bool known = X86_64Decoder.TryDecode(_bytes, out X86_64Instruction ours);
            if (theirs.IsInvalid)
            {
                // Undefined; it faults wherever it is thought to end. But what is a jump or a NOP without LOCK must not
                // be taken for one.
                if (known && ours.Prefixes.HasFlag(X86_64Prefixes.Lock))
                {
                    Report("LOCK where it may not stand", theirs);
                }

                return;
            }

            if (!known)
            {
                if (!IsRefusedOnPurpose(theirs, _bytes))
                {
                    Report("refused", theirs);
                }

                return;
            }

            _compared++;
            ConstantOffsets parts = _iced.GetConstantOffsets(theirs);
            bool branch = ours.Branch is not X86_64Branch.None;
            bool theirBranch = theirs.Op0Kind is OpKind.NearBranch16 or OpKind.NearBranch32 or OpKind.NearBranch64;
            if (ours.Length != theirs.Length)
            {
                Report($"length {ours.Length}", theirs);
            }
            else if (ours.IsRipRelative != theirs.IsIPRelativeMemoryOperand)
            {
                Report("rip-relative", theirs);
            }
            else if (
                parts.HasDisplacement
                && (ours.DisplacementOffset, ours.DisplacementSize)
                    != (parts.DisplacementOffset, parts.DisplacementSize)
                && ours.DisplacementSize != 0
            )
            {
                Report($"displacement at {ours.DisplacementOffset}", theirs);
            }
            else if (ours.IsRipRelative && ours.DisplacementOffset != parts.DisplacementOffset)
            {
                Report($"displacement at {ours.DisplacementOffset}", theirs);
            }
            else if (parts.HasImmediate && ours.ImmediateSize != 0 && ours.ImmediateOffset != parts.ImmediateOffset)
            {
                Report($"immediate at {ours.ImmediateOffset}", theirs);
            }
            else if (branch != theirBranch)
            {
                Report($"branch {ours.Branch}", theirs);
            }
            else if (
                branch
                && theirs.NearBranchTarget != Address + (ulong)ours.Length + (ulong)(long)ours.Distance(_bytes)
            )
            {
                Report("target", theirs);
            }
        }

        private void Report(string what, in Instruction theirs)
        {
            if (_found.Count < 40)
            {
                _found.Add($"{Convert.ToHexString(_bytes[..theirs.Length])}: {what}; {theirs.Code}, {theirs.Length}");
            }
        }
    }
}

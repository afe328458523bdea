using Crosscore.Code;
using Crosscore.Tests.Isa;
using Crosscore.Tests.Raw;
using Iced.Intel;

namespace Crosscore.Tests.Code.Live;

/// <summary>
/// Random patches of random code, always the same ones, by each method and for each kind of processor: whether a patch
/// may be written at all is decided by Iced, and what is in memory afterwards by the bytes that were asked for.
/// </summary>
public sealed class PatchFuzzTests
{
    private const int Pieces = 60;
    private const int PatchesOfEach = 60;

    private static readonly byte[][] Palette =
    [
        [0x90],
        [0x66, 0x90],
        [0x0F, 0x1F, 0x00],
        [0x0F, 0x1F, 0x40, 0x00],
        [0x0F, 0x1F, 0x44, 0x00, 0x00],
        [0x66, 0x0F, 0x1F, 0x44, 0x00, 0x00],
        [0xB8, 1, 2, 3, 4],
        [0x83, 0xC0, 5],
        [0x48, 0x8D, 0x05, 0, 0, 0, 0],
        [0x48, 0xB8, 1, 2, 3, 4, 5, 6, 7, 8],
        [0xEB, 0x00],
        [0xE9, 0, 0, 0, 0],
        [0xE8, 0, 0, 0, 0],
        [0x74, 0x00],
        [0x0F, 0x84, 0, 0, 0, 0],
        [0xF0, 0x01, 0x00],
        [0xC3],
        [0xC5, 0xF8, 0x77],
        [0x62, 0xF1, 0x7C, 0x48, 0x58, 0xC1],
        [0xFF, 0x15, 0, 0, 0, 0],
        [0xFF, 0x94, 0x24, 0, 0, 0, 0],
        [0xF2, 0x0F, 0x10, 0x05, 0, 0, 0, 0],
        [0x50],
        [0x58],
    ];

    [Theory]
    [InlineData(1, CodeMode.Strict, PatchPlannerTests.Amd)]
    [InlineData(2, CodeMode.Strict, PatchPlannerTests.Intel)]
    [InlineData(3, CodeMode.Measured, PatchPlannerTests.Amd)]
    [InlineData(4, CodeMode.Measured, PatchPlannerTests.Intel)]
    public unsafe void A_patch_is_written_whole_or_refused_and_only_where_Iced_finds_every_old_start_again(
        int seed,
        CodeMode mode,
        string vendor
    )
    {
        Machine.NeedsRawPrograms();
        var random = new Random(20261130 + seed);
        var processor = ProcessorFacts.Of(vendor, PatchPlannerTests.Genoa);
        var breakpoints = new BreakpointConditions(() => null, () => false) { FindTracer = () => 0 };
        var traced = breakpoints with { FindTracer = () => 1 };
        var written = new Dictionary<PatchMethod, int>();
        int refused = 0;
        for (int piece = 0; piece < Pieces; piece++)
        {
            byte[] content = RandomCode(random, 20);
            using LiveCode code = LiveCode.Install(content);
            HashSet<int> starts = [.. StartsOf(content, DecoderOptions.None)!];
            bool isDefined = true;
            for (int number = 0; number < PatchesOfEach && isDefined; number++)
            {
                (int Offset, byte[] Bytes)[] changes = RandomChanges(random, content, starts);
                byte[] wanted = [.. content];
                foreach ((int offset, byte[] bytes) in changes)
                {
                    bytes.CopyTo(wanted, offset);
                }

                // What is undefined but has a length may be written: it faults wherever it is thought to end. What is
                // defined must be.
                List<int>? defined = StartsOf(wanted, DecoderOptions.None);
                List<int>? known = StartsOf(wanted, DecoderOptions.NoInvalidCheck);
                if (TryWrite(code, changes, mode, random.Next(3) == 0 ? traced : breakpoints, processor) is { } outcome)
                {
                    if (outcome.Plan is { } plan)
                    {
                        string what =
                            $"seed {seed}, piece {piece}, patch {number}: "
                            + $"{Convert.ToHexString(content)} to {Convert.ToHexString(wanted)}";
                        Assert.True(
                            known is null || starts.IsSubsetOf(known),
                            $"{what} was written, and Iced finds a start missing"
                        );
                        written[plan.Method] = written.GetValueOrDefault(plan.Method) + (plan.Sites > 0 ? 1 : 0);
                        content = wanted;
                        starts.UnionWith(known ?? []);
                        isDefined = known is not null; // Otherwise Iced cannot follow, and the next piece is taken.
                    }
                    else
                    {
                        refused++;
                        Assert.True(
                            defined is null
                                || !starts.IsSubsetOf(defined)
                                || outcome.Failure
                                    is CodeFailure.PatchNotMovable
                                        or CodeFailure.TracerAttached
                                        or CodeFailure.OutOfLineMemory,
                            $"seed {seed}: {outcome.Failure} of {Convert.ToHexString(content)} "
                                + $"to {Convert.ToHexString(wanted)}, in which Iced finds every start"
                        );
                    }
                }

                Assert.Equal(content, code.ToArray());
                // SAFETY: readable until it is disposed of.
                Assert.Equal(content, new ReadOnlySpan<byte>((void*)code.Address, content.Length));
            }
        }

        Assert.True(refused > 100, $"only {refused} were refused");
        PatchMethod[] expected =
            mode == CodeMode.Measured ? [PatchMethod.Breakpoint, PatchMethod.PageSwap] : [PatchMethod.Breakpoint];
        Assert.All(
            expected,
            method =>
                Assert.True(written.GetValueOrDefault(method) > 20, $"{method}: {written.GetValueOrDefault(method)}")
        );
        Assert.Equal(vendor == PatchPlannerTests.Amd, written.GetValueOrDefault(PatchMethod.SingleStore) > 20);
    }

    /// <summary>The plan of a patch that was written, or why it was refused. Null where the changes overlap.</summary>
    private static (PatchPlan? Plan, CodeFailure Failure)? TryWrite(
        LiveCode code,
        (int Offset, byte[] Bytes)[] changes,
        CodeMode mode,
        BreakpointConditions conditions,
        ProcessorFacts processor
    )
    {
        var patch = new CodePatch(mode);
        try
        {
            foreach ((int offset, byte[] bytes) in changes)
            {
                _ = patch.Replace(code, offset, bytes);
            }

            lock (LiveCode.Patching)
            {
                PreparedPatch prepared = patch.Prepare(conditions, processor);
                prepared.Write();
                return (prepared.Plan, default);
            }
        }
        catch (CodeException refusal)
        {
            return refusal.Failure == CodeFailure.PatchOverlaps ? null : (null, refusal.Failure);
        }
    }

    private static byte[] RandomCode(Random random, int instructions) =>
        [.. Enumerable.Range(0, instructions).SelectMany(_ => RandomInstruction(random, 15)), 0xC3];

    private static byte[] RandomInstruction(Random random, int most)
    {
        byte[][] that = [.. Palette.Where(instruction => instruction.Length <= most)];
        return [.. that[random.Next(that.Length)]];
    }

    /// <summary>
    /// Whole instructions in the place of one, a part of one, or bytes that come as they like; one to three times.
    /// </summary>
    private static (int Offset, byte[] Bytes)[] RandomChanges(Random random, byte[] content, HashSet<int> starts)
    {
        int[] ordered = [.. starts.Append(content.Length).Order()];
        var changes = new (int, byte[])[random.Next(1, 4)];
        for (int index = 0; index < changes.Length; index++)
        {
            int which = random.Next(ordered.Length - 1);
            int offset = ordered[which];
            int length = ordered[which + 1] - offset;
            byte[] bytes;
            switch (random.Next(5))
            {
                case 0:
                    bytes = new byte[random.Next(1, length + 1)];
                    random.NextBytes(bytes);
                    break;
                case 1:
                    int last = random.Next(length);
                    offset += last;
                    bytes = [(byte)random.Next(256)];
                    break;
                default:
                    var whole = new List<byte>();
                    while (whole.Count < length)
                    {
                        whole.AddRange(RandomInstruction(random, length - whole.Count));
                    }

                    bytes = [.. whole];
                    break;
            }

            changes[index] = (offset, bytes);
        }

        return changes;
    }

    /// <summary>
    /// Where Iced finds instructions from the first byte to the last, or null where it finds something else.
    /// </summary>
    private static List<int>? StartsOf(byte[] code, DecoderOptions options)
    {
        var reader = new ByteArrayCodeReader(code);
        var decoder = Decoder.Create(64, reader, options);
        var starts = new List<int>();
        while (reader.CanReadByte)
        {
            int start = reader.Position;
            starts.Add(start);
            decoder.Decode(out Instruction instruction);
            if (instruction.IsInvalid || X86_64DecoderTests.IsRefusedOnPurpose(instruction, code.AsSpan(start)))
            {
                return null;
            }
        }

        return starts;
    }
}

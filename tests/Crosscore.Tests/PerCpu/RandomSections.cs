using Crosscore.PerCpu;
using Crosscore.PerCpu.Advanced;
using FsCheck;
using FsCheck.Fluent;

namespace Crosscore.Tests.PerCpu;

/// <summary>
/// A section, and what it finds: seeds from which memory is filled, so that a case can be printed and repeated.
/// </summary>
internal sealed record SectionCase(SectionProgram Program, int Seed)
{
    /// <summary>
    /// Fills the slot with small numbers, most of them good offsets, and addresses of the memory outside.
    /// </summary>
    public unsafe void Fill(nint slot, byte* outside)
    {
        var random = new Random(Seed);
        for (int word = 0; word < RandomSections.SlotBytes / 8; word++)
        {
            ((long*)slot)[word] =
                random.Next(4) == 0
                    ? (long)outside + (random.Next(RandomSections.OutsideBytes / 16) * 8)
                    : random.Next(0, RandomSections.SlotBytes + 16) & ~7;
        }

        for (int word = 0; word < RandomSections.OutsideBytes / 8; word++)
        {
            ((long*)outside)[word] = random.Next();
        }
    }

    /// <summary>
    /// All arguments are addresses in the first half of the memory outside, so that steps may store and copy there.
    /// </summary>
    public long[] Arguments(nint outside)
    {
        var random = new Random(~Seed);
        return
        [
            .. Enumerable.Range(0, 4).Select(_ => (long)outside + (random.Next(RandomSections.OutsideBytes / 32) * 8)),
        ];
    }
}

/// <summary>
/// Writes random sections with the public builder: any steps that it accepts, in any order, and a commit.
/// </summary>
internal static class RandomSections
{
    public const int SlotBytes = 240;
    public const int OutsideBytes = 2048;

    public static Gen<SectionProgram> Programs(SlotShape shape) =>
        from steps in Gen.Choose(0, 12)
        from seed in Gen.Choose(0, int.MaxValue - 1)
        select Program(shape, steps, new Random(seed));

    public static Gen<SectionCase> Cases(SlotShape shape) =>
        from program in Programs(shape)
        from seed in Gen.Choose(0, int.MaxValue - 1)
        select new SectionCase(program, seed);

    private static SectionProgram Program(SlotShape shape, int steps, Random random)
    {
        while (true)
        {
            var builder = new SectionBuilder(shape);
            var values = new List<SectionValue>(); // numbers of any kind
            List<SectionValue> arguments = [.. Enumerable.Range(0, random.Next(1, 5)).Select(builder.Argument)];
            values.AddRange(arguments);
            for (int step = 0; step < steps; step++)
            {
                Step(builder, values, arguments, random);
            }

            if (random.Next(2) == 0)
            {
                builder.CommitStore(Word(random), Any(values, random));
            }
            else
            {
                builder.CommitAdd(Word(random), Any(values, random));
            }

            if (random.Next(2) == 0)
            {
                builder.Return(Any(values, random));
            }

            try
            {
                return builder.ToProgram();
            }
            catch (InvalidOperationException)
            {
                // Too many values at once: refused, as it says. Another one.
            }
        }
    }

    private static void Step(
        SectionBuilder builder,
        List<SectionValue> values,
        List<SectionValue> arguments,
        Random random
    )
    {
        int bytes = random.Next(8) == 0 ? random.Next(129, 200) : random.Next(1, 40);
        switch (random.Next(17))
        {
            case 0:
                values.Add(
                    builder.Constant(
                        random.Next(3) switch
                        {
                            0 => random.Next(-5, 300),
                            1 => random.NextInt64(),
                            _ => -random.NextInt64(),
                        }
                    )
                );
                break;
            case 1:
                values.Add(builder.ThisSlot());
                break;
            case 2:
                values.Add(builder.Load(Word(random)));
                break;
            case 3:
                values.Add(builder.LoadAt(Any(values, random), random.Next(0, SlotBytes - 7)));
                break;
            case 4:
                values.Add(builder.LoadFrom(Any(arguments, random), random.Next(0, 64)));
                break;
            case 5:
                values.Add(builder.Add(Any(values, random), Any(values, random)));
                break;
            case 6:
                values.Add(builder.Subtract(Any(values, random), Any(values, random)));
                break;
            case 7:
                values.Add(builder.Add(Any(values, random), random.Next(-300, 300)));
                break;
            case 8:
                values.Add(builder.WrapAt(Any(values, random), random.Next(0, SlotBytes) & ~7));
                break;
            case 9:
                builder.Store(Word(random), Any(values, random));
                break;
            case 10:
                builder.StoreAt(Any(values, random), Any(values, random), random.Next(0, SlotBytes - 7));
                break;
            case 11:
                builder.StoreTo(Any(arguments, random), random.Next(0, 64), Any(values, random));
                break;
            case 12:
                builder.CopyIn(random.Next(0, SlotBytes - bytes + 1), Any(arguments, random), bytes);
                break;
            case 13:
                builder.CopyIn(
                    Any(values, random),
                    random.Next(0, SlotBytes - bytes + 1),
                    Any(arguments, random),
                    bytes
                );
                break;
            case 14:
                builder.CopyOut(
                    Any(values, random),
                    random.Next(0, SlotBytes - bytes + 1),
                    Any(arguments, random),
                    bytes
                );
                break;
            case 15:
                if (random.Next(2) == 0)
                {
                    builder.LeaveIfEqual(Any(values, random), random.Next(0, SlotBytes) & ~7, random.Next(1, 100));
                }
                else
                {
                    builder.LeaveIfEqual(Any(values, random), Any(values, random), random.Next(1, 100));
                }

                break;
            default:
                // Mostly not taken, or few sections would come to their commit.
                SectionValue value = Any(values, random);
                builder.LeaveIfNotEqual(value, value, random.Next(1, 100));
                break;
        }
    }

    private static int Word(Random random) => random.Next(0, SlotBytes / 8) * 8;

    private static SectionValue Any(List<SectionValue> values, Random random) => values[random.Next(values.Count)];
}

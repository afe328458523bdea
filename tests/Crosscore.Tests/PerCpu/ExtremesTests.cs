using System.Reflection;
using Crosscore.PerCpu;
using Crosscore.PerCpu.Advanced;

namespace Crosscore.Tests.PerCpu;

/// <summary>
/// Every number of every public member at its smallest and largest: a result that is right, or an exception of the kind
/// that is documented for it.
/// </summary>
public sealed unsafe class ExtremesTests
{
    private static readonly int[] Integers =
    [
        int.MinValue,
        int.MinValue + 7,
        -4097,
        -8,
        -1,
        0,
        1,
        7,
        8,
        15,
        16,
        4096,
        4097,
        1 << 30,
        int.MaxValue - 135,
        int.MaxValue - 128,
        int.MaxValue - 15,
        int.MaxValue - 7,
        int.MaxValue,
    ];

    private static readonly long[] Longs =
    [
        long.MinValue,
        long.MinValue + 1,
        -1,
        0,
        1,
        long.MaxValue - 1,
        long.MaxValue,
    ];

    /// <summary>A block of 2,147,483,632 bytes is longer than any array.</summary>
    [Theory]
    [InlineData(2147483632, 16)]
    [InlineData(2147483520, 64)]
    [InlineData(1 << 30, 1 << 30)]
    [InlineData(1 << 30, 16)]
    public void A_pool_of_enormous_blocks_gives_whole_blocks_or_none(int blockSize, int alignment)
    {
        using var pool = new PerCpuBlockPool(blockSize, alignment);
        var rented = new List<nint>();
        try
        {
            for (int i = 0; i < 2; i++)
            {
                rented.Add(pool.Rent());
            }
        }
        catch (OutOfMemoryException)
        {
            // There is no address space for it; that is documented.
        }

        Assert.True(pool.BlockCount >= rented.Count);
        foreach (nint block in rented)
        {
            Assert.Equal(0, block % alignment);
            Assert.All(rented.Where(other => other > block), other => Assert.True(other - block >= blockSize));
        }

        foreach (nint block in rented)
        {
            *(long*)(block + blockSize - sizeof(long)) = -1; // the last word is the block's too
            pool.Return(block);
        }

        if (rented.Count == 2)
        {
            Assert.Equal(rented.Order(), new[] { pool.Rent(), pool.Rent() }.Order());
        }
    }

    [Fact]
    public void Every_size_and_alignment_makes_a_pool_or_is_refused()
    {
        foreach (int size in Integers)
        {
            foreach (int alignment in Integers)
            {
                bool right = alignment >= 16 && int.IsPow2(alignment) && size >= alignment && size % alignment == 0;
                Exception? refusal = Record.Exception(() => new PerCpuBlockPool(size, alignment).Dispose());
                Assert.True(
                    right ? refusal is null : refusal is ArgumentOutOfRangeException,
                    $"{size}, {alignment}: {refusal}"
                );
            }
        }
    }

    [Fact]
    public void Every_size_and_index_makes_an_area_or_is_refused()
    {
        foreach (int bytes in Integers)
        {
            foreach (
                PerCpuIndex index in (PerCpuIndex[])
                    [
                        PerCpuIndex.Cpu,
                        (PerCpuIndex)int.MinValue,
                        (PerCpuIndex)(-1),
                        (PerCpuIndex)2,
                        (PerCpuIndex)int.MaxValue,
                    ]
            )
            {
                Exception? refusal = Record.Exception(() =>
                {
                    var area = new PerCpuArea(bytes, index);
                    SectionBuilder writing = area.NewSection();
                    writing.CommitStore(bytes - sizeof(long), writing.Argument(0));
                    PerCpuSection store = writing.Build();
                    Assert.True(store.Run(area, -1).Committed);
                    Assert.Equal(
                        -1,
                        Enumerable.Range(0, area.SlotCount).Sum(slot => area.Read(slot, bytes - sizeof(long)))
                    );
                });
                bool mayBeRight = bytes > 0 && bytes % sizeof(long) == 0 && index == PerCpuIndex.Cpu;
                Assert.True(
                    refusal is ArgumentOutOfRangeException || (mayBeRight && refusal is null or OutOfMemoryException),
                    $"{bytes}, {index}: {refusal}"
                );
                Assert.True(
                    refusal is null || bytes is not (8 or 16 or 4096) || index != PerCpuIndex.Cpu,
                    $"{bytes}, {index}: {refusal}"
                );
            }
        }
    }

    [Fact]
    public void Every_capacity_makes_a_buffer_or_is_refused()
    {
        Buffers<byte>();
        Buffers<long>();
        Buffers<(long, int)>();
    }

    [Fact]
    public void Every_place_and_number_makes_a_step_or_is_refused()
    {
        var area = new PerCpuArea(64);
        foreach (int number in Integers)
        {
            foreach (int other in Integers)
            {
                Step(section => section.Argument(number));
                Step(section => section.Load(number));
                Step(section => section.LoadAt(section.Argument(0), number));
                Step(section => section.LoadFrom(section.Argument(0), number));
                Step(section => section.Add(section.Argument(0), number));
                Step(section => section.WrapAt(section.Argument(0), number));
                Step(section => section.LeaveIfEqual(section.Argument(0), number, other));
                Step(section => section.LeaveIfNotEqual(section.Argument(0), number, other));
                Step(section => section.LeaveIfAtLeast(section.Argument(0), section.Argument(1), number));
                Step(section => section.Store(number, section.Argument(0)));
                Step(section => section.StoreAt(section.Argument(0), section.Argument(1), number));
                Step(section => section.StoreTo(section.Argument(0), number, section.Argument(1)));
                Step(section => section.CopyIn(number, section.Argument(0), other));
                Step(section => section.CopyIn(section.Argument(0), number, section.Argument(1), other));
                Step(section => section.CopyOut(section.Argument(0), number, section.Argument(1), other));
                Step(section => section.CommitStore(number, section.Argument(0)));
                Step(section => section.CommitAdd(number, section.Argument(0)));
            }
        }

        void Step(Action<SectionBuilder> write)
        {
            SectionBuilder section = area.NewSection();
            Exception? refusal = Record.Exception(() => write(section));
            Assert.True(refusal is null or ArgumentException, $"{refusal}");
        }
    }

    [Fact]
    public void What_a_section_computes_of_extreme_values_is_what_its_interpreter_computes()
    {
        PerCpuArea[] areas =
        [
            new(64),
            new(64, PerCpuIndex.Cpu, useSections: false, Membarrier.Session, RestartableSequences.CpuSlots),
        ];
        foreach (int number in Integers)
        {
            SectionBuilder writing = areas[0].NewSection();
            SectionValue value = writing.Argument(0);
            SectionValue sum = writing.Add(
                writing.WrapAt(writing.Subtract(writing.Add(value, number), writing.Argument(1)), number),
                writing.Argument(1)
            );
            writing.LeaveIfEqual(sum, number, int.MaxValue);
            writing.LeaveIfAtLeast(sum, writing.Constant(long.MinValue + 5), 1);
            writing.CommitStore(0, sum);
            writing.Return(sum);
            PerCpuSection section = writing.Build();
            foreach (long left in Longs)
            {
                foreach (long right in Longs)
                {
                    Assert.Equal(section.Run(areas[1], left, right), section.Run(areas[0], left, right));
                }
            }
        }
    }

    [Fact]
    public void A_computed_offset_of_any_value_is_inside_or_refused()
    {
        foreach (
            PerCpuArea area in (PerCpuArea[])
                [
                    new(64),
                    new(64, PerCpuIndex.Cpu, useSections: false, Membarrier.Session, RestartableSequences.CpuSlots),
                ]
        )
        {
            SectionBuilder writing = area.NewSection();
            SectionValue loaded = writing.LoadAt(writing.Argument(0), 8);
            writing.CommitStore(0, loaded);
            PerCpuSection section = writing.Build();
            foreach (
                long offset in (long[])
                    [.. Longs, .. Integers.Select(value => (long)value), uint.MaxValue, 1L << 32, 48, 49]
            )
            {
                Exception? refusal = Record.Exception(() => section.Run(area, offset));
                Assert.True(
                    offset is >= 0 and <= 48 ? refusal is null : refusal is InvalidOperationException,
                    $"{offset}: {refusal}"
                );
            }
        }
    }

    [Fact]
    public void Sums_wrap_and_every_value_has_a_bucket()
    {
        var counter = new PerCpuCounter();
        counter.Add(long.MaxValue);
        counter.Increment();
        Assert.Equal(long.MinValue, counter.Sum());
        counter.Add(long.MinValue);
        Assert.Equal(0, counter.Sum());
        counter.Decrement();
        Assert.Equal(-1, counter.Read([]));
        var histogram = new PerCpuHistogram(long.MinValue, 0, long.MaxValue);
        foreach (long value in Longs)
        {
            histogram.Record(value);
        }

        Assert.Equal([1L, 3, 3, 0], histogram.Counts());
        Assert.Equal(Longs.Aggregate((left, right) => unchecked(left + right)), histogram.Sum());
    }

    [Fact]
    public void Every_slot_and_list_exists_or_is_refused()
    {
        var area = new PerCpuArea(16);
        var list = new PerCpuFreeList();
        foreach (int number in Integers)
        {
            Exception? reading = Record.Exception(() => area.Read(number, 8));
            Exception? stopping = Record.Exception(() => area.Stop(number).Dispose());
            Exception? taking = Record.Exception(() => list.TryTakeAll(number, out _, out _, out _));
            bool exists = number >= 0 && number < area.SlotCount;
            Assert.All(
                [reading, stopping, taking],
                refusal =>
                    Assert.True(
                        exists ? refusal is null : refusal is ArgumentOutOfRangeException,
                        $"{number}: {refusal}"
                    )
            );
            Exception? offset = Record.Exception(() => area.Read(0, number));
            Assert.True(
                number is 0 or 8 ? offset is null : offset is ArgumentOutOfRangeException,
                $"{number}: {offset}"
            );
        }

        // No such address exists in user memory; taken for a code of a section it would be lost in the list.
        foreach (nint address in (nint[])[0, 1, 7, -8, nint.MinValue, nint.MinValue + 8, -1])
        {
            _ = Assert.Throws<ArgumentException>(() => list.Push(address));
            _ = Assert.Throws<ArgumentException>(() => list.PushChain(4096, address));
            _ = Assert.Throws<ArgumentException>(() => list.PushChain(address, 4096));
        }
    }

    /// <summary>A member with a number that is added later is to be added above.</summary>
    [Fact]
    public void The_members_with_numbers_are_those_that_are_tried_here()
    {
        Type[] numbers = [typeof(int), typeof(long), typeof(nint), typeof(ReadOnlySpan<long>), typeof(PerCpuIndex)];
        string[] found =
        [
            .. typeof(PerCpuCounter)
                .Assembly.GetExportedTypes()
                .Where(type =>
                    type.Namespace!.StartsWith("Crosscore.PerCpu", StringComparison.Ordinal)
                    && !type.IsEnum
                    && !type.IsSubclassOf(typeof(Delegate))
                )
                .SelectMany(type =>
                    type.GetMembers(
                        BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly
                    )
                )
                .OfType<MethodBase>()
                .Where(method => !method.IsSpecialName || method.IsConstructor)
                .Where(method =>
                    method
                        .GetParameters()
                        .Any(parameter => !parameter.IsOut && numbers.Contains(parameter.ParameterType))
                )
                .Select(method => $"{method.DeclaringType!.Name}.{method.Name}")
                .Distinct()
                .Order(StringComparer.Ordinal),
        ];
        Assert.Equal(
            [
                "PerCpuArea..ctor",
                "PerCpuArea.Read",
                "PerCpuArea.Stop",
                "PerCpuBlockPool..ctor",
                "PerCpuBlockPool.Return",
                "PerCpuBuffer`1..ctor",
                "PerCpuBuffer`1.Resize",
                "PerCpuCounter.Add",
                "PerCpuHistogram..ctor",
                "PerCpuHistogram.Record",
                "PerCpuSection.Run",
                "SectionBuilder.Add",
                "SectionBuilder.Argument",
                "SectionBuilder.CommitAdd",
                "SectionBuilder.CommitStore",
                "SectionBuilder.Constant",
                "SectionBuilder.CopyIn",
                "SectionBuilder.CopyOut",
                "SectionBuilder.LeaveIfAtLeast",
                "SectionBuilder.LeaveIfEqual",
                "SectionBuilder.LeaveIfNotEqual",
                "SectionBuilder.Load",
                "SectionBuilder.LoadAt",
                "SectionBuilder.LoadFrom",
                "SectionBuilder.Store",
                "SectionBuilder.StoreAt",
                "SectionBuilder.StoreTo",
                "SectionBuilder.WrapAt",
            ],
            found
        );
    }

    private static void Buffers<T>()
        where T : unmanaged
    {
        foreach (int capacity in Integers)
        {
            Exception? refusal = Record.Exception(() =>
            {
                var buffer = new PerCpuBuffer<T>(capacity);
                Assert.True(buffer.Append(default));
                Assert.Equal(1, buffer.Drain((_, _) => { }));
            });
            Assert.True(
                refusal is ArgumentOutOfRangeException or OutOfMemoryException || (capacity >= 1 && refusal is null),
                $"{capacity}: {refusal}"
            );
            Assert.True(refusal is null || capacity is not (>= 1 and <= 4097), $"{capacity}: {refusal}");
            var resized = new PerCpuBuffer<T>(4);
            Assert.True(resized.Append(default));
            Exception? again = Record.Exception(() => resized.Resize(capacity));
            Assert.Equal(refusal?.GetType(), again?.GetType());
            Assert.Equal(again is null ? capacity : 4, resized.CapacityPerCpu);
            Assert.Equal(1, resized.Drain((_, _) => { }));
        }
    }
}

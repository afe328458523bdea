using Crosscore.Code;
using Crosscore.Isa;
using Crosscore.Linux;
using Microsoft.Win32.SafeHandles;

namespace Crosscore.Tests;

/// <summary>Where code lies, what there is room for, and when an address is used again.</summary>
public sealed class AddressTests
{
    private const nint MiB = 1 << 20;
    private const long Stack8 = 8 << 20;

    [Fact]
    public void The_range_of_this_process_is_in_reach_of_the_runtime_and_of_the_c_library()
    {
        CodeRange range = CodeRange.OfThisProcess;
        foreach (string library in new[] { "libcoreclr.so", "libc.so" })
        {
            MemoryMapLine[] lines =
            [
                .. MemoryMap
                    .Read()
                    .Where(line => Path.GetFileName(line.Path).StartsWith(library, StringComparison.Ordinal)),
            ];
            Assert.SkipWhen(lines.Length == 0, $"There is no {library} here.");
            Assert.All(
                lines,
                line =>
                {
                    Assert.InRange(line.End - range.Start, int.MinValue, int.MaxValue);
                    Assert.InRange(range.Start + range.Length - line.Start, int.MinValue, int.MaxValue);
                }
            );
        }
    }

    /// <summary>
    /// As CoreCLR 10 leaves it with randomized addresses: two gigabytes below its library are its own, above the loader
    /// there is nothing for a long way.
    /// </summary>
    [Fact]
    public void With_room_above_the_loader_the_range_lies_there()
    {
        List<MemoryMapLine> map = MemoryMap.Parse([
            "7f5a81600000-7f5aff400000 ---p 00000000 00:00 0 ",
            "7f5aff5c9000-7f5affa7a000 r-xp 001c8000 fe:01 42                        "
                + " /usr/share/dotnet/shared/Microsoft.NETCore.App/10.0.12/libcoreclr.so",
            "7f5affd64000-7f5affeba000 r-xp 00026000 fe:01 43       "
                + "                  /usr/lib/x86_64-linux-gnu/libc.so.6",
            "7f5b00289000-7f5b002bd000 r-xp 00001000 fe:01 44             "
                + "            /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
            "7ffc3059e000-7ffc305bf000 rw-p 00000000 00:00 0                          [stack]",
            "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]",
        ]);
        (nint start, nint length) = RangePlacement.Candidates(map, Stack8)[0];
        Assert.Equal(1024 * MiB, length);
        Assert.Equal(0x7f5b00400000, start);
    }

    /// <summary>
    /// Without randomization the stack is some 128 MiB above: the range keeps away from where it may grow.
    /// </summary>
    [Fact]
    public void Below_a_near_stack_only_a_range_that_leaves_it_room_is_offered()
    {
        List<MemoryMapLine> map = MemoryMap.Parse([
            "7fff70000000-7ffff7400000 ---p 00000000 00:00 0 ",
            "7ffff7500000-7ffff7a00000 r-xp 00000000 fe:01 42 /x/libcoreclr.so",
            "7ffff7d00000-7ffff7f00000 r-xp 00000000 fe:01 43 /lib/libc.so.6",
            "7ffff7fc5000-7ffff7fff000 r-xp 00001000 fe:01 44 /lib/ld-linux-x86-64.so.2",
            "7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0 [stack]",
        ]);
        const long stackStart = 0x7ffffffde000;
        Assert.All(
            RangePlacement.Candidates(map, Stack8),
            candidate =>
                Assert.True(
                    candidate.Start >= 0x7ffff7fff000
                        ? candidate.Start + candidate.Length <= stackStart - Stack8 - (64 * MiB)
                        : candidate.Start + candidate.Length <= 0x7fff70000000
                )
        );
        Assert.All(
            RangePlacement.Candidates(map, null),
            candidate =>
                Assert.True(candidate.Start + candidate.Length <= stackStart && candidate.Start < 0x7fff70000000)
        );
    }

    [Fact]
    public void Without_a_runtime_to_be_near_to_nothing_is_offered() =>
        Assert.Empty(
            RangePlacement.Candidates(MemoryMap.Parse(["400000-500000 r-xp 00000000 fe:01 1 /x/program"]), Stack8)
        );

    [Fact]
    public void Retired_addresses_are_not_given_out_before_a_synchronization()
    {
        var pool = new AddressPool(0x10000, 0x4000);
        Assert.True(pool.TryTake(0x1000, out nint a));
        Assert.True(pool.TryTake(0x2000, out nint b));
        Assert.True(pool.TryTake(0x1000, out nint c));
        Assert.Equal([0x10000, 0x11000, 0x13000], new[] { a, b, c });
        pool.Retire(c, 0x1000);
        pool.Retire(a, 0x1000);
        pool.Retire(b, 0x2000);
        Assert.False(pool.TryTake(0x1000, out _));
        Assert.True(pool.AnyRetired);
        pool.ReleaseRetired();
        Assert.True(pool.TryTake(0x4000, out nint all)); // joined again
        Assert.Equal(0x10000, all);
        pool.ReturnUnused(all, 0x4000);
        Assert.True(pool.TryTake(0x4000, out _));
        Assert.False(pool.AnyRetired);
    }

    [Fact]
    public void A_full_range_synchronizes_once_and_uses_addresses_again()
    {
        int synchronizations = 0;
        using var range = new SmallRange(pages: 4, mapLimit: 1000, () => synchronizations++);
        nint[] first = [.. Enumerable.Range(0, 4).Select(_ => range.Map())];
        Array.ForEach(first, address => range.Free(address));
        Assert.Equal(0, synchronizations);
        nint[] second = [.. Enumerable.Range(0, 4).Select(_ => range.Map())];
        Assert.Equal(1, synchronizations);
        Assert.Equal(first.Order(), second.Order());
        Assert.Equal(42, MachineCode.Call(second[0]));
        Assert.Equal(CodeFailure.OutOfAddresses, Assert.Throws<CodeException>(() => range.Map()).Failure);
        Assert.Equal(1, synchronizations);
    }

    [Fact]
    public void Where_the_synchronization_is_refused_no_address_is_used_again()
    {
        using var range = new SmallRange(
            pages: 1,
            mapLimit: 1000,
            () => throw new CodeException(CodeFailure.SynchronizationRefused, "refused")
        );
        range.Free(range.Map());
        Assert.Equal(CodeFailure.SynchronizationRefused, Assert.Throws<CodeException>(() => range.Map()).Failure);
        Assert.Equal("---p", Maps.PermissionsAt(range.Start));
    }

    [Fact]
    public void A_quarter_of_all_mappings_is_left_to_the_program()
    {
        using var range = new SmallRange(pages: 16, mapLimit: 8, () => { });
        nint[] six = [.. Enumerable.Range(0, 6).Select(_ => range.Map())];
        CodeException refusal = Assert.Throws<CodeException>(() => range.Map());
        Assert.Equal(CodeFailure.TooManyMappings, refusal.Failure);
        Assert.Contains("vm.max_map_count", refusal.Message, StringComparison.Ordinal);
        range.Free(six[0]);
        _ = range.Map();
    }

    [Fact]
    public void A_refused_mapping_leaves_the_range_as_it_was()
    {
        using var range = new SmallRange(pages: 1, mapLimit: 1000, () => { });
        using SafeFileHandle notMappable = File.OpenHandle("/dev/null", FileMode.Open, FileAccess.Write);
        Assert.Equal(
            CodeFailure.ExecutableMappingRefused,
            Assert.Throws<CodeException>(() => range.Range.MapCode(notMappable, Pages.Size, 0)).Failure
        );
        Assert.Equal("---p", Maps.PermissionsAt(range.Start));
        Assert.Equal(range.Start, range.Map());
    }

    [Fact]
    public void Where_unmapping_is_refused_the_code_counts_and_keeps_its_addresses_until_it_is_granted()
    {
        bool refuses = true;
        using var range = new SmallRange(
            pages: 2,
            mapLimit: 1000,
            () => { },
            (address, length) => refuses ? AccessTaken.Refused : RangeReservation.TakeAccess(address, length)
        );
        nint first = range.Map();
        range.Free(first);
        Assert.Equal("r-xs", Maps.PermissionsAt(first));
        nint second = range.Map();
        Assert.NotEqual(first, second);
        Assert.Equal(CodeFailure.OutOfAddresses, Assert.Throws<CodeException>(() => range.Map()).Failure);
        refuses = false;
        Assert.Equal(first, range.Map()); // Tried again because addresses are exhausted.
        refuses = true;
        range.Free(first);
        refuses = false;
        range.Free(second); // And with the next that goes.
        Assert.Equal(("---p", "---p"), (Maps.PermissionsAt(first), Maps.PermissionsAt(second)));
        Assert.Equal([first, second], new[] { range.Map(), range.Map() }.Order());
    }

    [Fact]
    public void What_could_not_be_unmapped_still_counts_as_a_mapping()
    {
        bool refuses = true;
        using var range = new SmallRange(
            pages: 8,
            mapLimit: 4,
            () => { },
            (address, length) => refuses ? AccessTaken.Refused : RangeReservation.TakeAccess(address, length)
        );
        nint[] three = [.. Enumerable.Range(0, 3).Select(_ => range.Map())];
        range.Free(three[0]);
        Assert.Equal(CodeFailure.TooManyMappings, Assert.Throws<CodeException>(() => range.Map()).Failure);
        refuses = false;
        _ = range.Map();
        Assert.Equal(CodeFailure.TooManyMappings, Assert.Throws<CodeException>(() => range.Map()).Failure);
    }

    [Fact]
    public void A_hole_is_never_used_again()
    {
        // Only told so: whatever else this process maps could come into a real one, and would go with the range.
        using var range = new SmallRange(
            pages: 1,
            mapLimit: 1000,
            () => { },
            (address, length) =>
                RangeReservation.TakeAccess(address, length) == AccessTaken.Reserved
                    ? AccessTaken.Unmapped
                    : AccessTaken.Refused
        );
        range.Free(range.Map());
        Assert.Equal(CodeFailure.OutOfAddresses, Assert.Throws<CodeException>(() => range.Map()).Failure);
    }

    /// <summary>
    /// Values of CTR_EL0 from the Technical Reference Manuals; IDC and DIC are set by those who build a Neoverse N1
    /// with coherent caches.
    /// </summary>
    [Theory]
    [InlineData(0x84448004, 64, 64, true, true)] // Cortex-A53
    [InlineData(0x8444C004, 64, 64, true, true)] // Cortex-A72
    [InlineData(0xB444C004, 64, 64, false, false)] // Neoverse N1, IDC and DIC
    [InlineData(0x9444C004, 64, 64, false, true)] // the same with IDC alone
    [InlineData(0x84458003, 128, 32, true, true)] // lines of different lengths
    public void The_cache_register_of_arm64_is_understood(
        ulong register,
        int dataLine,
        int instructionLine,
        bool needsClean,
        bool needsInvalidate
    ) =>
        Assert.Equal(
            new CacheGeometry(dataLine, instructionLine, needsClean, needsInvalidate),
            CacheGeometry.FromCtrEl0(register)
        );

    [Fact]
    public void A_walk_over_lines_begins_with_the_line_of_the_first_byte()
    {
        Assert.Equal(0x1000, CacheGeometry.FirstLine(0x103F, 64));
        Assert.Equal(0x1040, CacheGeometry.FirstLine(0x1040, 64));
    }

    /// <summary>A range beside that of the process.</summary>
    private sealed class SmallRange : IDisposable
    {
        private readonly SealedCode _code = SealedCode.Seal(MachineCode.Return42);
        private readonly nint _length;

        public SmallRange(
            int pages,
            long mapLimit,
            Action synchronize,
            Func<nint, nint, AccessTaken>? takeAccess = null
        )
        {
            _length = pages * Pages.Size;
            Start = RangeReservation.At(0, _length, 0);
            Range = new CodeRange(Start, _length, mapLimit, synchronize, takeAccess ?? RangeReservation.TakeAccess);
        }

        public nint Start { get; }

        public CodeRange Range { get; }

        public nint Map() => Range.MapCode(_code.File, Pages.Size, 0);

        public void Free(nint address) => Range.Free(address, Pages.Size, 0);

        public void Dispose()
        {
            _code.Dispose();
            Assert.Equal(0, Mapping.Unmap(Start, (nuint)_length));
        }
    }
}

using System.Runtime.InteropServices;
using Crosscore.Code;

namespace Crosscore.Tests;

/// <summary>What a writer takes, what it refuses, and what of it arrives.</summary>
public sealed class CodeWriterTests
{
    private static readonly byte[] Filler = [0x90, 0x90, 0xC3];

    public CodeWriterTests() =>
        Assert.SkipUnless(
            OperatingSystem.IsLinux()
                && RuntimeInformation.ProcessArchitecture is (Architecture.X64 or Architecture.Arm64),
            "Sealed code needs Linux on x86-64 or arm64."
        );

    [Fact]
    public void Every_function_lies_where_it_was_promised_and_runs()
    {
        var writer = new CodeWriter("three");
        CodeFunction[] functions =
        [
            .. new byte[] { 1, 2, 3 }.Select(value => writer.Append(MachineCode.Return(value), $"return{value}")),
        ];
        using SealedCode code = writer.Seal();
        using InstalledCode installed = code.Install();

        Assert.Equal([0, 64, 128], functions.Select(function => function.Offset));
        Assert.Equal(functions, installed.Functions);
        Assert.Equal([1, 2, 3], functions.Select(function => MachineCode.Call(installed.AddressOf(function))));
        Assert.Equal([1, 2, 3], functions.Select(function => MachineCode.Call(installed.AddressOf(function.Name!))));
    }

    [Fact]
    public unsafe void Between_and_after_the_functions_there_are_only_traps()
    {
        var writer = new CodeWriter();
        _ = writer.Append(Filler);
        _ = writer.Append(Filler, alignment: 256);
        using SealedCode code = writer.Seal();
        using InstalledCode installed = code.Install();

        // SAFETY: a segment is mapped readable, whole pages of it.
        var mapped = new ReadOnlySpan<byte>((void*)installed.Address, Environment.SystemPageSize);
        byte trap = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? (byte)0xCC : (byte)0;
        Assert.Equal(-1, mapped[3..256].IndexOfAnyExcept(trap));
        Assert.Equal(-1, mapped[259..].IndexOfAnyExcept(trap));
    }

    [Fact]
    public void A_segment_that_fills_its_last_page_is_followed_by_addresses_without_access()
    {
        var writer = new CodeWriter();
        _ = writer.Append(new byte[Environment.SystemPageSize]);
        using SealedCode code = writer.Seal();
        using InstalledCode first = code.Install();
        using InstalledCode second = code.Install();

        Assert.Equal("---p", Maps.PermissionsAt(first.Address + Environment.SystemPageSize));
        Assert.Equal("---p", Maps.PermissionsAt(second.Address + Environment.SystemPageSize));
    }

    [Fact]
    public void A_further_entry_point_enters_in_the_middle()
    {
        var writer = new CodeWriter();
        byte[] first = MachineCode.Return(1);
        _ = writer.Append([.. first, .. MachineCode.Return(2)], "both");
        CodeFunction entry = writer.AddEntryPoint("second", first.Length);
        using SealedCode code = writer.Seal();
        using InstalledCode installed = code.Install();

        Assert.Equal(1, MachineCode.Call(installed.AddressOf("both")));
        Assert.Equal(2, MachineCode.Call(installed.AddressOf("second")));
        Assert.Equal(MachineCode.Return(2).Length, entry.Length);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(3)] // in the gap
    [InlineData(63)]
    [InlineData(67)] // after the last
    [InlineData(int.MaxValue)]
    [InlineData(int.MinValue)]
    public void An_entry_point_outside_of_every_function_is_refused_and_nothing_is_added(int offset)
    {
        var writer = new CodeWriter();
        _ = writer.Append(Filler, "f");
        _ = writer.Append(Filler);

        CodeException refusal = Assert.Throws<CodeException>(() => writer.AddEntryPoint("outside", offset));
        Assert.Equal(CodeFailure.EntryPointOutside, refusal.Failure);
        Assert.Contains("'outside'", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(2, writer.Functions.Count);
        _ = writer.AddEntryPoint("outside", 2);
    }

    [Fact]
    public void A_name_is_given_once_and_one_that_was_not_given_is_not_found()
    {
        var writer = new CodeWriter();
        _ = writer.Append(MachineCode.Return42, "f");
        Assert.Equal(
            CodeFailure.EntryPointName,
            Assert.Throws<CodeException>(() => writer.Append(Filler, "f")).Failure
        );
        Assert.Equal(
            CodeFailure.EntryPointName,
            Assert.Throws<CodeException>(() => writer.AddEntryPoint("f", 0)).Failure
        );
        Assert.Equal(MachineCode.Return42.Length, writer.Length);

        using SealedCode code = writer.Seal();
        using InstalledCode installed = code.Install();
        Assert.Equal(CodeFailure.EntryPointName, Assert.Throws<CodeException>(() => installed.AddressOf("g")).Failure);
    }

    [Fact]
    public void A_function_of_another_segment_is_refused_where_it_does_not_fit()
    {
        var large = new CodeWriter();
        _ = large.Append(Filler);
        CodeFunction far = large.Append(Filler, alignment: 4096);
        using SealedCode small = SealedCode.Seal(MachineCode.Return42);
        using InstalledCode installed = small.Install();
        Assert.Equal(
            CodeFailure.EntryPointOutside,
            Assert.Throws<CodeException>(() => installed.AddressOf(far)).Failure
        );
        Assert.Equal(
            CodeFailure.EntryPointOutside,
            Assert.Throws<CodeException>(() => installed.AddressOf(default(CodeFunction))).Failure
        );
        Assert.Equal(
            CodeFailure.EntryPointOutside,
            Assert
                .Throws<CodeException>(() => installed.AddressOf(new CodeFunction(null, int.MaxValue, int.MaxValue)))
                .Failure
        );
    }

    [Theory]
    [InlineData("")]
    [InlineData("two\nlines")]
    [InlineData("nul\0")]
    public void A_name_that_would_break_a_line_is_none(string name)
    {
        var writer = new CodeWriter();
        _ = Assert.Throws<ArgumentException>(nameof(name), () => writer.Append(Filler, name));
        _ = Assert.Throws<ArgumentException>(nameof(name), () => new CodeWriter(name));
        Assert.Empty(writer.Functions);
    }

    [Fact]
    public void The_longest_name_goes_through_and_a_longer_one_does_not()
    {
        var writer = new CodeWriter(new string('s', 200));
        _ = writer.Append(MachineCode.Return42, new string('ü', 512));
        _ = Assert.Throws<ArgumentException>("name", () => writer.Append(Filler, new string('ü', 513)));
        _ = Assert.Throws<ArgumentException>("name", () => new CodeWriter(new string('s', 201)));
        using SealedCode code = writer.Seal();
        using SealedCode again = CodeTransfer.Import(code.File);
        Assert.Equal(writer.Functions, again.Functions);
        Assert.Equal(writer.Name, again.Name);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-64)]
    [InlineData(48)]
    [InlineData(1 << 20)]
    public void An_alignment_is_a_power_of_two_up_to_a_page(int alignment) =>
        Assert.Throws<ArgumentException>(
            nameof(alignment),
            () => new CodeWriter().Append(Filler, alignment: alignment)
        );

    [Fact]
    public void Nothing_is_no_function_and_no_segment()
    {
        var writer = new CodeWriter();
        _ = Assert.Throws<ArgumentException>("code", () => writer.Append([]));
        _ = Assert.Throws<InvalidOperationException>(() => writer.Seal());
    }

    [Fact]
    public void The_largest_segment_is_installed_and_one_byte_more_is_refused()
    {
        var writer = new CodeWriter();
        byte[] half = new byte[CodeWriter.MaxLength / 2];
        MachineCode.Return42.CopyTo(half, 0);
        _ = writer.Append(half);
        CodeFunction last = writer.Append(half);
        Assert.Equal(
            CodeFailure.OutOfAddresses,
            Assert.Throws<CodeException>(() => writer.Append([0xC3], alignment: 1)).Failure
        );
        Assert.Equal(CodeWriter.MaxLength, writer.Length);

        using SealedCode code = writer.Seal();
        using InstalledCode installed = code.Install();
        Assert.Equal(42, MachineCode.Call(installed.AddressOf(last)));
    }

    [Fact]
    public void A_writer_continues_after_sealing_and_begins_anew_after_clearing()
    {
        var writer = new CodeWriter();
        _ = writer.Append(MachineCode.Return(1), "one");
        using SealedCode first = writer.Seal();
        _ = writer.Append(MachineCode.Return(2), "two");
        using SealedCode second = writer.Seal();
        writer.Clear();
        CodeFunction one = writer.Append(MachineCode.Return(3), "one");
        using SealedCode third = writer.Seal();
        using InstalledCode installed = third.Install();

        _ = Assert.Single(first.Functions);
        Assert.Equal(2, second.Functions.Count);
        Assert.Equal(3, MachineCode.Call(installed.AddressOf(one)));
    }
}

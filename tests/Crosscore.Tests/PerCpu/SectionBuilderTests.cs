using System.Globalization;
using Crosscore.PerCpu;
using Crosscore.PerCpu.Advanced;

namespace Crosscore.Tests.PerCpu;

/// <summary>What cannot be a section is refused where it is written, with the reason.</summary>
public sealed class SectionBuilderTests
{
    private readonly PerCpuArea _area = new(64);

    [Fact]
    public void No_commit() => Refuses<InvalidOperationException>("no commit", section => _ = section.Build());

    [Fact]
    public void Two_commits() =>
        Refuses<InvalidOperationException>(
            "its commit already",
            section =>
            {
                section.CommitStore(0, section.Constant(1));
                section.CommitStore(8, section.Argument(0));
            }
        );

    [Fact]
    public void A_step_after_the_commit() =>
        Refuses<InvalidOperationException>(
            "Load after the commit",
            section =>
            {
                section.CommitAdd(0, section.Argument(0));
                _ = section.Load(0);
            }
        );

    [Theory]
    [InlineData(-8)]
    [InlineData(64)]
    [InlineData(1 << 20)]
    public void An_offset_outside_of_the_slot(int offset)
    {
        Refuses<ArgumentOutOfRangeException>("do not lie in a slot of 64 bytes", section => _ = section.Load(offset));
        Refuses<ArgumentOutOfRangeException>(
            "do not lie in a slot of 64 bytes",
            section => section.CommitStore(offset, section.Argument(0))
        );
        Refuses<ArgumentOutOfRangeException>(
            "do not lie in a slot of 64 bytes",
            section => _ = section.LoadAt(section.Argument(0), offset)
        );
        Refuses<ArgumentOutOfRangeException>(
            "do not lie in a slot of 64 bytes",
            section => section.CopyIn(offset, section.Argument(0), 1)
        );
    }

    [Fact]
    public void A_word_that_is_not_aligned() =>
        Refuses<ArgumentException>("two parts", section => section.CommitStore(4, section.Argument(0)));

    [Fact]
    public void A_store_through_a_pointer_that_was_loaded()
    {
        Refuses<ArgumentException>(
            "memory that an argument points to",
            section => section.StoreTo(section.Load(0), 0, section.Argument(0))
        );
        Refuses<ArgumentException>(
            "memory that an argument points to",
            section => section.CopyOut(section.Argument(0), 0, section.Load(0), 8)
        );
    }

    [Fact]
    public void A_value_of_another_section()
    {
        SectionValue foreign = _area.NewSection().Argument(0);
        Refuses<ArgumentException>("from another section", section => section.CommitStore(0, foreign));
        Refuses<ArgumentException>("from another section", section => section.CommitStore(0, default));
    }

    [Fact]
    public void More_values_than_registers() =>
        Refuses<InvalidOperationException>(
            "registers",
            section =>
            {
                SectionValue[] values = [.. Enumerable.Range(0, 8).Select(word => section.Load(word * 8))];
                SectionValue sum = values[0];
                foreach (SectionValue value in values[1..])
                {
                    sum = section.Add(sum, value);
                }

                section.CommitStore(0, sum);
                _ = section.Build();
            }
        );

    [Fact]
    public void Too_many_steps_and_too_many_bytes()
    {
        Refuses<InvalidOperationException>(
            "at most 64 steps",
            section =>
            {
                for (int step = 0; step <= SectionBuilder.MaxSteps; step++)
                {
                    section.Store(0, section.Argument(0));
                }
            }
        );
        var large = new PerCpuArea(8192);
        SectionBuilder copying = large.NewSection();
        copying.CopyIn(0, copying.Argument(0), SectionBuilder.MaxCopiedBytes);
        ArgumentOutOfRangeException refusal = Assert.Throws<ArgumentOutOfRangeException>(() =>
            copying.CopyIn(0, copying.Argument(0), 1)
        );
        Assert.Contains("4097", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Codes_and_arguments_that_do_not_exist()
    {
        Refuses<ArgumentOutOfRangeException>("code", section => section.LeaveIfEqual(section.Argument(0), 0, 0));
        Refuses<ArgumentOutOfRangeException>("4 arguments", section => _ = section.Argument(4));
        Refuses<InvalidOperationException>("after the commit", section => section.Return(section.Argument(0)));
    }

    [Fact]
    public void After_a_refusal_the_section_is_as_before()
    {
        SectionBuilder section = _area.NewSection();
        SectionValue argument = section.Argument(0);
        _ = Assert.Throws<ArgumentException>(() => section.CommitStore(4, argument));
        section.CommitStore(8, argument);
        section.Return(argument);
        Assert.Equal(5, section.Build().Run(_area, 5).Value);
    }

    [Fact]
    public void Equal_sections_share_their_code_and_a_thread_keeps_its_pointer_to_a_descriptor_that_stays()
    {
        Threads.NeedRestarts();
        PerCpuSection[] sections =
        [
            .. Enumerable
                .Range(0, 2)
                .Select(_ =>
                {
                    SectionBuilder section = _area.NewSection();
                    section.CommitAdd(56, section.Argument(0));
                    return section.Build();
                }),
        ];
        Assert.Same(sections[0].Installed, sections[1].Installed);

        nint pointer = 0;
        for (int attempt = 0; attempt < 1000 && pointer == 0; attempt++)
        {
            // The kernel clears the pointer whenever it looks and finds the thread outside, so it is sometimes gone
            // already.
            _ = sections[0].Run(_area, 1);
            pointer = ThreadArea.SectionPointer();
        }

        Assert.Equal(sections[0].Installed!.Descriptor, pointer);

        // The kernel shows neighboring mappings of one kind as one, so the descriptor may lie in the middle of a
        // line's range.
        string line = Assert.Single(
            File.ReadLines("/proc/self/maps"),
            line =>
            {
                nint[] range =
                [
                    .. line[..line.IndexOf(' ', StringComparison.Ordinal)]
                        .Split('-')
                        .Select(bound => nint.Parse(bound, NumberStyles.HexNumber, CultureInfo.InvariantCulture)),
                ];
                return range[0] <= pointer && pointer < range[1];
            }
        );
        Assert.Contains(" r--p ", line, StringComparison.Ordinal);
    }

    /// <summary>
    /// A refused step costs nothing: neither does it use up the limit, nor can many of them make the sum of their sizes
    /// start anew.
    /// </summary>
    [Fact]
    public void Refused_copies_do_not_count()
    {
        var area = new PerCpuArea(1 << 20);
        SectionBuilder section = area.NewSection();
        SectionValue source = section.Argument(0);
        for (int i = 0; i < 3000; i++)
        {
            _ = Assert.Throws<ArgumentOutOfRangeException>("bytes", () => section.CopyIn(0, source, 1 << 20));
            _ = Assert.Throws<ArgumentOutOfRangeException>(
                "bytes",
                () => section.CopyIn(0, source, SectionBuilder.MaxCopiedBytes + 1)
            );
            _ = Assert.Throws<ArgumentException>(() => section.CopyIn(0, default, SectionBuilder.MaxCopiedBytes));
            _ = Assert.Throws<ArgumentException>(() =>
                section.CopyOut(section.Argument(1), 0, default, SectionBuilder.MaxCopiedBytes)
            );
        }

        section.CopyIn(0, source, SectionBuilder.MaxCopiedBytes - 1);
        section.CopyIn(SectionBuilder.MaxCopiedBytes, source, 1);
        _ = Assert.Throws<ArgumentOutOfRangeException>("bytes", () => section.CopyIn(0, source, 1));
        section.CommitStore(1 << 19, section.Constant(1));
        _ = section.Build();
    }

    /// <summary>
    /// Every other step that is refused leaves the section as it was, too: it builds as if the step had not been tried.
    /// </summary>
    [Fact]
    public void Refused_steps_leave_the_section_as_it_was()
    {
        SectionBuilder section = _area.NewSection();
        SectionValue value = section.Argument(0);
        for (int i = 0; i < 100; i++)
        {
            _ = Assert.Throws<ArgumentException>(() => section.Load(1));
            _ = Assert.Throws<ArgumentException>(() => section.Add(value, default(SectionValue)));
            _ = Assert.Throws<ArgumentOutOfRangeException>(() => section.Argument(4));
            _ = Assert.Throws<ArgumentOutOfRangeException>(() => section.LeaveIfEqual(value, 0, code: 0));
            _ = Assert.Throws<InvalidOperationException>(() => section.Return(value));
            _ = Assert.Throws<ArgumentException>(() => section.CommitStore(0, default));
        }

        section.CommitAdd(0, value);
        _ = Assert.Throws<ArgumentException>(() => section.Return(default));
        section.Return(value);
        SectionProgram program = section.ToProgram();
        Assert.Equal((1, 1, 1), (program.Arguments, program.Values, program.Steps.Length));
    }

    private void Refuses<T>(string reason, Action<SectionBuilder> write)
        where T : Exception
    {
        Exception? refusal = Record.Exception(() => write(_area.NewSection()));
        Assert.IsType<T>(refusal, exactMatch: false);
        Assert.Contains(reason, refusal.Message, StringComparison.Ordinal);
    }
}
